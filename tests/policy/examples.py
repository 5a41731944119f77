"""Policies, good and bad: one table for the loader and the JSON Schema.

Of each bad one the table says the dotted path, the line, words of the message and of the hint, and whether the schema can see
it too (`schema`). Line numbers count from the first line of `text`.
"""

from __future__ import annotations

from typing import NamedTuple

from chainverify.model.ruleids import ALWAYS

OID = "4f2c" * 10
OID256 = "9d1e" * 16


class Bad(NamedTuple):
    name: str
    text: str
    key: str
    line: int
    words: str
    hint: str = ""
    schema: bool = False
    server: bool = False


HEAD = "version = 1\n"
PEOPLE = '[[signers]]\nname = "Alice"\nemails = "alice@example.org"\nroles = ["owner"]\n'
TRUST = '[images]\n[[images.trust]]\nmatch = "ghcr.io/x/**"\n'

GOOD: dict[str, str] = {
    "nothing": HEAD,
    "commits": HEAD + "[commits]\n",
    "commits with everything": HEAD + f"""
[commits]
formats = ["openpgp", "ssh", "x509", "gitsign"]
introduction = "{OID}"
gitsign-level = 1
merge-rule = "any-parent"
allowed-signers = ["allowed_signers"]
ssh-revoked = "krl"
x509-roots = ["ca.pem"]
crls = "ca.crl"
timestamp-roots = "tsa.pem"
trusted-root = "trusted_root.json"
dsa-before = 2020-01-01
exceptions = ["{OID}", "{OID256}"]
identity = ["committer-email", "author-email"]
key-validity = "strict"
sha1-before = 2021-01-01
""",
    "single values for lists": HEAD + f"""
[commits]
formats = "ssh"
exceptions = "{OID}"
identity = "off"
[signers]
name = "Alice"
emails = "alice@example.org"
roles = "owner"
ssh = "keys/alice.pub"
[refs]
match = "refs/heads/main"
signers = "role:owner"
""",
    "values that ask for nothing": HEAD + """
protected = []
[commits]
gitsign-level = 2
merge-rule = "every-commit"
allowed-signers = []
ssh-revoked = []
ssh-require = ["presence", "verification"]
x509-roots = []
[[signers]]
name = "Alice"
x509 = []
gitsign = []
pushers = []
[messages]
ticket-where = "subject"
conventional = false
trailers = {}
sign-off = "off"
[[refs]]
match = "refs/**"
push-certificate = "off"
messages = {}
[images]
platforms = "any"
renderers = []
when = "push"
fields = []
registries = {}
[[images.trust]]
match = "ghcr.io/x/**"
keys = "k.pub"
transparency-log = "optional"
remap = {}
identities = []
unsafe-no-ct-log = false
signature = "required"
attestations = []
[rules]
secret-in-manifest = "off"
""",
    "people": HEAD + """
[policy]
signers = ["role:owner", "Bob"]
min-tool = "0.1"
[[signers]]
name = "Alice Example"
emails = ["alice@example.org", "alice@work.example"]
roles = ["owner", "developer"]
openpgp = ["keys/alice.asc", '''-----BEGIN PGP PUBLIC KEY BLOCK-----

xyz
-----END PGP PUBLIC KEY BLOCK-----
''']
ssh = ["ssh-ed25519 AAAA alice", "keys/alice.pub"]
valid-after = 2025-01-01
valid-before = 2027-01-01
compromised-at = 2026-05-01T00:00:00Z
observed = true
[[signers]]
name = "Bob"
valid-after = 2025-01-01T02:00:00+02:00
""",
    "messages": HEAD + f"""
[messages]
introduction = "{OID}"
tickets = ["JIRA", "FEATURE"]
separator = ": "
pattern = '^(JIRA-[0-9]+|FEATURE-[0-9]+): .+'
subject-max = 72
body-line-max = 100
merges = "judge"
reverts = "judge"
allow-fixup = true
insert-ticket = false
""",
    "messages with trailers": HEAD + """
[messages]
tickets = ["JIRA"]
ticket-where = "trailer:Ticket"
tickets-max = 3
conventional = { types = ["feat", "fix"], scopes = ["api", "the cli"] }
trailers = { Reviewed-by = { min = 1, value = '[^<]+ <[^@]+@example\\.org>' }, Change-Id = { max = 1, duplicates = false } }
sign-off = "committer"
mailmap = ["mailmap"]
insert-ticket = false
[[refs]]
match = "refs/heads/wip/**"
messages = { allow-fixup = true, tickets = [], trailers = {}, sign-off = "off", conventional = false }
[[refs]]
match = "refs/heads/release/*"
messages = { conventional = true, tickets = "JIRA", tickets-max = 1, reverts = "judge" }
""",
    "conventional by default": HEAD + "[messages]\nconventional = true\n",
    "refs": HEAD + PEOPLE + """
[[refs]]
match = ["refs/heads/main", "refs/heads/release/*"]
signers = ["role:owner", "Alice"]
allow-rewind = true
allow-delete = false
rewind-signers = ["role:owner"]
[[refs]]
match = "**"
""",
    "images": HEAD + """
[images]
require-digest = false
include = ["deploy/**", "*.yaml"]
exclude = "vendor/**"
[[images.allow-unresolved]]
path = "charts/**"
reason = "rendered and checked in CI"
[[images.trust]]
match = "registry.example.org/team/**"
keys = ["keys/a.pub", "keys/b.pub"]
threshold = 2
formats = ["bundle"]
reference = "exact"
annotations = { env = "prod", "a.b" = "c" }
[[images.trust]]
match = "docker.io/library/**"
unsafe-unsigned = "mirrored and scanned"
observed = true
[[images.trust]]
match = "localhost:5000/**"
keys = "k.pub"
[[images.trust]]
match = "**"
keys = "k.pub"
""",
    "rules": HEAD + '[rules]\nimage-not-pinned = "advise"\nmessage-characters = "off"\ncommit-unsigned = "enforce"\n',
    "tags": HEAD + '[tags]\nrequire = "annotated"\n',
}

SERVER: dict[str, str] = {
    "server": HEAD + '[server]\ndeadline = "30s"\nrequire-trust = "base"\n',
    "server milliseconds": HEAD + '[server]\ndeadline = "1500ms"\nbreak-glass = {}\n',
}

BAD: tuple[Bad, ...] = (
    Bad("no version", "[commits]\n", "version", 0, "missing", "first line", True),
    Bad("version 2", "version = 2\n", "version", 1, "expected 1, got the number 2", "too old", True),
    Bad("version text", '\nversion = "1"\n', "version", 2, "got the text '1'", "version = 1", True),
    Bad("version true", "version = true\n", "version", 1, "got true", "version = 1", True),
    Bad("newer format with unknown keys", "version = 2\n[commits]\nfuture = 1\n", "version", 1, "expected 1", "too old", True),
    Bad("newer tool with unknown keys", HEAD + '[policy]\nmin-tool = "99.1"\n[commits]\nfuture = 1\n', "policy.min-tool", 3,
        "99.1 or newer", "update", True),
    Bad("min-tool", HEAD + '[policy]\nmin-tool = "0.1.1"\n', "policy.min-tool", 3, "this is 0.1.0", "update"),
    Bad("min-tool number", HEAD + "[policy]\nmin-tool = 1.2\n", "policy.min-tool", 3, "expected a version", "", True),
    Bad("min-tool words", HEAD + '[policy]\nmin-tool = ">=1"\n', "policy.min-tool", 3, "expected a version", "", True),
    # unknown keys, with the nearest
    Bad("unknown section", HEAD + "[comits]\n", "comits", 2, "unknown key in the policy", "'commits'", True),
    Bad("unknown key", HEAD + PEOPLE.replace("emails", "email"), "signers[0].email", 4, "unknown key in [[signers]]",
        "'emails'", True),
    Bad("underscore", HEAD + PEOPLE + "valid_after = 2025-01-01\n", "signers[0].valid_after", 6, "unknown", "'valid-after'",
        True),
    Bad("upper case", HEAD + "[commits]\nFormats = []\n", "commits.Formats", 3, "unknown", "'formats'", True),
    Bad("nothing near", HEAD + "[tags]\nzzz = 1\n", "tags.zzz", 3, "unknown", "known here: require", True),
    Bad("quoted unknown key", HEAD + '[commits]\n"a.b\\u202e" = 1\n', 'commits."a.b\\u202e"', 3, "unknown", "", True),
    Bad("unknown in second table", HEAD + PEOPLE + '[[signers]]\nname = "Bob"\nrole = "x"\n', "signers[1].role", 8, "unknown",
        "'roles'", True),
    Bad("unknown inline", HEAD + 'images = { trust = [\n  { match = "a.io/b", keys = "k" },\n  { mach = "x" }] }\n',
        "images.trust[1].mach", 4, "unknown", "'match'", True),
    Bad("observed where it means nothing", HEAD + "[tags]\nobserved = true\n", "tags.observed", 3, "unknown", "", True),
    # types, never coerced
    Bad("section no table", HEAD + "commits = true\n", "commits", 2, "expected a table, got true", "[commits]", True),
    Bad("array for table", HEAD + "[[commits]]\n", "commits", 2, "expected a table, got a list", "", True),
    Bad("signers text", HEAD + 'signers = "Alice"\n', "signers", 2, "expected tables", "[[signers]]", True),
    Bad("name number", HEAD + "[[signers]]\nname = 3\n", "signers[0].name", 3, "got the number 3", "", True),
    Bad("name missing", HEAD + PEOPLE + "[[signers]]\n", "signers[1].name", 6, "missing", "", True),
    Bad("name empty", HEAD + '[[signers]]\nname = ""\n', "signers[0].name", 3, "got empty text", "", True),
    Bad("name control", HEAD + '[[signers]]\nname = "a\\u001b[31m"\n', "signers[0].name", 3, "one line", "", True),
    Bad("flag text", HEAD + '[messages]\nallow-fixup = "true"\n', "messages.allow-fixup", 3, "expected true or false", "",
        True),
    Bad("flag number", HEAD + "[messages]\nallow-fixup = 1\n", "messages.allow-fixup", 3, "expected true or false", "", True),
    Bad("number true", HEAD + "[messages]\nsubject-max = true\n", "messages.subject-max", 3, "whole number", "", True),
    Bad("number zero", HEAD + "[messages]\nsubject-max = 0\n", "messages.subject-max", 3, "from 1", "", True),
    Bad("number float", HEAD + "[messages]\nsubject-max = 72.0\n", "messages.subject-max", 3, "whole number"),
    Bad("date text", HEAD + '[commits]\nsha1-before = "2021-01-01"\n', "commits.sha1-before", 3, "not in quotes"),
    Bad("local time", HEAD + "[commits]\nsha1-before = 2021-01-01T00:00:00\n", "commits.sha1-before", 3, "offset", "add Z",
        True),
    Bad("time of day", HEAD + "[commits]\nsha1-before = 07:00:00\n", "commits.sha1-before", 3, "expected a date", "", True),
    Bad("half second", HEAD + "[commits]\nsha1-before = 2021-01-01T00:00:00.5Z\n", "commits.sha1-before", 3, "whole seconds",
        "", True),
    Bad("choice", HEAD + '[commits]\nkey-validity = "backfil"\n', "commits.key-validity", 3, '"strict", "backfill"',
        "'backfill'", True),
    Bad("choice in list", HEAD + '[commits]\nidentity = [\n  "committer-email",\n  "email",\n]\n', "commits.identity[1]", 5,
        "got the text 'email'", "", True),
    Bad("list in list", HEAD + '[commits]\nformats = [["ssh"]]\n', "commits.formats[0]", 3, "got a list", "", True),
    Bad("no formats", HEAD + "[commits]\nformats = []\n", "commits.formats", 3, "at least 1", "leave the key out", True),
    Bad("no identity", HEAD + "[commits]\nidentity = []\n", "commits.identity", 3, "at least 1", "", True),
    Bad("huge number", HEAD + "[messages]\nsubject-max = " + "9" * 400 + "\n", "messages.subject-max", 3, "very large", "",
        True),
    # what the contract has and this version does not
    *(
        Bad(f"pending {key}", HEAD + f"[{section}]\n{text}\n", f"{section}.{key}", 3, "not enforced by this version yet", hint,
            True)
        for section, key, text, hint in (
            ("images", "platforms", 'platforms = ["linux/amd64"]', '"any"'),
            ("images", "renderers", 'renderers = ["helm"]', ""),
            ("images", "when", 'when = "defer"', '"push"'),
            ("images", "fields", 'fields = [{ kind = "A", path = "$.b" }]', ""),
            ("images", "registries", 'registries = { "r.example.org" = { mirror = "m" } }', ""),
            ("rules", "secret-in-manifest", 'secret-in-manifest = "enforce"', '"off"'),
            ("rules", "approval-missing", 'approval-missing = "advise"', '"off"'),
        )
    ),
    *(
        Bad(f"gitsign {value}", HEAD + PEOPLE + f"gitsign = [{{ {value} }}]\n", f"signers[0].gitsign[0]{key}", 6, message, "",
            schema)
        for value, key, message, schema in (
            ('identity = "a@b.c"', ".issuer", "is missing", False),
            ('issuer = "https://x"', ".identity", "is missing", False),
            ('identity = "a@b.c", identity-regex = "a", issuer = "https://x"', ".identity", "stands beside", False),
            ('identity = "**", issuer = "https://x"', ".identity", "trusts everybody", False),
            ('identity = "a@b.c", issuer = "*"', ".issuer", "trusts everybody", False),
            ('identity-regex = ".*", issuer = "https://x"', ".identity-regex", "trusts everybody", False),
            ('identity-regex = "a$b", issuer = "https://x"', ".identity-regex", "can never match", False),
            ('identity-regex = "a)|(b", issuer = "https://x"', ".identity-regex", "expected", False),
            ('identity-regex = "(a", issuer = "https://x"', ".identity-regex", "expected", False),
            ('identity = "a@b.c", issuer = "https://x", claims = { a = 1 }', ".claims.a", "expected text", True),
            ('identity = "a@b.c", issuer = "https://x", subject = "y"', ".subject", "unknown key", True),
        )
    ),
    Bad("limit", HEAD + PEOPLE + 'limit = "merge"\n', "signers[0].limit", 6, '"clean-merge"', "", True),
    Bad("level", HEAD + "[commits]\ngitsign-level = 3\n", "commits.gitsign-level", 3, "from 0 to 2", "", True),
    Bad("pending signers pushers", HEAD + PEOPLE + 'pushers = "alice"\n', "signers[0].pushers", 6,
        "not enforced by this version yet", "", True),
    *(
        Bad(f"pending trust {key}", HEAD + TRUST + f'keys = "k"\n{key} = {value}\n', f"images.trust[0].{key}", 6,
            "not enforced by this version yet", "", True)
        for key, value in (
            ("transparency-log", '"require"'), ("remap", '{ a = "b" }'), ("trusted-root", '"r.json"'),
            ("identities", '[{ issuer = "https://x", subject = "y" }]'), ("unsafe-no-ct-log", "true"),
            ("signature", '"off"'), ("attestations", '[{ type = "vuln" }]'),
        )
    ),
    Bad("pending push-certificate", HEAD + '[[refs]]\nmatch = "refs/**"\npush-certificate = "require"\n',
        "refs[0].push-certificate", 4, "not enforced", "", True),
    *(
        Bad(f"messages {text}", HEAD + f"[messages]\n{text}\n", f"messages.{key}", 3, words, hint, schema)
        for text, key, words, hint, schema in (
            ("conventional = 0", "conventional", "expected false, true or a table", "", True),
            ("conventional = { types = [] }", "conventional.types", "at least 1 value", "leave the key out", True),
            ('conventional = { types = ["a b"] }', "conventional.types[0]", 'such as "feat"', "", True),
            ('conventional = { scopes = ["a)"] }', "conventional.scopes[0]", "without parentheses", "", True),
            ("conventional = { type = 1 }", "conventional.type", "unknown key", "'types'", True),
            ('ticket-where = "body"', "ticket-where", '"trailer:NAME"', "", True),
            ('ticket-where = "trailer:A b"', "ticket-where", '"trailer:NAME"', "", True),
            ('ticket-where = "trailer:Ticket"', "ticket-where", "no tickets are asked for", 'tickets = ["JIRA"]', False),
            ("tickets-max = 2", "tickets-max", "none are asked for", 'tickets = ["JIRA"]', False),
            ("tickets-max = 21", "tickets-max", "from 1 to 20", "", True),
            ("trailers = []", "trailers", "expected a table of tables", "", True),
            ("trailers = { Reviewed-by = 1 }", "trailers.Reviewed-by", "expected a table", "", True),
            ("trailers = { Reviewed-by = {} }", "trailers.Reviewed-by", "asks for nothing", "min = 1", False),
            ("trailers = { Reviewed-by = { min = 2, max = 1 } }", "trailers.Reviewed-by.max", "fewer than", "", False),
            ("trailers = { Reviewed-by = { value = 'a)|(b' } }", "trailers.Reviewed-by.value", "not supported", "", False),
            ("trailers = { Reviewed-by = { value = '(?=a)' } }", "trailers.Reviewed-by.value", "not supported", "", False),
            ("trailers = { Reviewed-by = { value = 'a^' } }", "trailers.Reviewed-by.value", "can never match", "", False),
            ("trailers = { Reviewed-by = { least = 1 } }", "trailers.Reviewed-by.least", "unknown key", "", True),
            ('trailers = { "Reviewed by" = { min = 1 } }', 'trailers."Reviewed by"', "letters, digits and hyphens", "", True),
            ("trailers = { A = { min = 1 }, a = { max = 0 } }", "trailers.a", "the same name", "leave one", False),
            ('sign-off = "author"', "sign-off", '"committer"', "", True),
            ("sign-off = true", "sign-off", '"committer"', "", True),
            ("insert-ticket = 1", "insert-ticket", "true or false", "", True),
        )
    ),
    Bad("mailmap nobody reads", HEAD + '[messages]\nsign-off = "email"\nmailmap = "m"\n', "messages.mailmap", 4,
        'no meaning under sign-off = "email"', 'sign-off = "mailmap"'),
    *(
        Bad(f"ref messages {text}", HEAD + f'[messages]\n[[refs]]\nmatch = "refs/**"\n[refs.messages]\n{text}\n',
            f"refs[0].messages.{key}", 6, words, "", schema)
        for text, key, words, schema in (
            ("introduction = 1", "introduction", "unknown key", True),
            ("insert-ticket = true", "insert-ticket", "unknown key", True),
            ("pattern = '(a'", "pattern", "expected ')'", False),
            ('ticket-where = "trailer:Ticket"', "ticket-where", "no tickets are asked for", False),
        )
    ),
    Bad("ref messages without messages", HEAD + '[[refs]]\nmatch = "refs/**"\n[refs.messages]\nallow-fixup = true\n',
        "refs[0].messages", 4, "there are none", "add [messages]"),
    Bad("pending protected", HEAD + '[[protected]]\npaths = ["**"]\napprovals = 2\n', "protected", 2, "not enforced", "", True),
    *(
        Bad(f"pending server {key}", HEAD + f"[server]\n{key} = {value}\n", f"server.{key}", 3, "not enforced", "", True, True)
        for key, value in (("audit-log", '"a"'), ("metrics", '"m"'), ("webhook", '"https://x"'),
                           ("break-glass", '{ roles = ["role:x"] }'))
    ),
    # the server's section
    Bad("server elsewhere", HEAD + '[server]\ndeadline = "30s"\n', "server", 2, "only in the server's own file",
        "CHAINVERIFY_POLICY"),
    Bad("server trust", HEAD + '[server]\nrequire-trust = "self"\n', "server.require-trust", 3, '"external" or "base"', "",
        True, True),
    Bad("server deadline", HEAD + "[server]\ndeadline = 30\n", "server.deadline", 3, "a duration", "", True, True),
    Bad("server deadline zero", HEAD + '[server]\ndeadline = "0s"\n', "server.deadline", 3, "a duration", "", True, True),
    # rules
    Bad("unknown rule", HEAD + '[rules]\nimage-not-pined = "off"\n', "rules.image-not-pined", 3, "unknown key in [rules]",
        "'image-not-pinned'", True),
    Bad("verified", HEAD + '[rules]\nverified = "off"\n', "rules.verified", 3, "cannot be set", "", True),
    *(
        Bad(f"relaxed {rule}", HEAD + f'[rules]\n{rule} = "{value}"\n', f"rules.{rule}", 3, 'expected "enforce", got', "", True)
        for rule in sorted(ALWAYS) for value in ("advise", "off")
    ),
    Bad("internal rule", HEAD + '[rules]\ninternal = "off"\n', "rules.internal", 3, "unknown", "", True),
    Bad("rule warn", HEAD + '[rules]\nsignature-bad = "warn"\n', "rules.signature-bad", 3, '"enforce", "advise" or "off"', "",
        True),
    # commits
    Bad("short introduction", HEAD + '[commits]\nintroduction = "4f2c"\n', "commits.introduction", 3, "full object id", "",
        True),
    Bad("upper-case id", HEAD + f'[commits]\nexceptions = ["{OID.upper()}"]\n', "commits.exceptions[0]", 3, "lower case", "",
        True),
    Bad("branch introduction", HEAD + '[messages]\nintroduction = "HEAD"\n', "messages.introduction", 3, "full object id", "",
        True),
    Bad("id with a line end", HEAD + f'[commits]\nintroduction = "{OID}\\n"\n', "commits.introduction", 3, "full object id"),
    Bad("off beside others", HEAD + '[commits]\nidentity = ["off", "author-email"]\n', "commits.identity", 3, '"off" stands'),
    # people
    Bad("name twice", HEAD + PEOPLE + '[[signers]]\nname = "alice"\n', "signers[1].name", 7, "belongs to 'Alice' (signers[0])",
        "one table per person"),
    Bad("address twice", HEAD + PEOPLE + '[[signers]]\nname = "Bob"\nemails = [\n  "b@x",\n  "ALICE@example.org",\n]\n',
        "signers[1].emails[1]", 10, "address 'ALICE@example.org' belongs"),
    Bad("ssh key twice", HEAD + PEOPLE + 'ssh = "ssh-ed25519 AAAA one"\n[[signers]]\nname = "Bob"\n'
        'ssh = ["ssh-ed25519  AAAA two"]\n', "signers[1].ssh[0]", 9, "belongs to 'Alice'"),
    Bad("key file twice", HEAD + PEOPLE + 'openpgp = "keys/a.asc"\n[[signers]]\nname = "Bob"\nopenpgp = "./keys//a.asc"\n',
        "signers[1].openpgp[0]", 9, "belongs to 'Alice'"),
    Bad("not an address", HEAD + '[[signers]]\nname = "A"\nemails = ["A <a@b>"]\n', "signers[0].emails[0]", 4, "an address",
        "", True),
    Bad("private key", HEAD + '[[signers]]\nname = "A"\nopenpgp = """-----BEGIN PGP PRIVATE KEY BLOCK-----\nx"""\n',
        "signers[0].openpgp", 4, "armored public key", "", True),
    Bad("role as name", HEAD + '[[signers]]\nname = "role:x"\n', "signers[0].name", 3, "role:"),
    Bad("role with prefix", HEAD + '[[signers]]\nname = "A"\nroles = ["role:x"]\n', "signers[0].roles[0]", 4, "alone",
        "'x'"),
    Bad("never valid", HEAD + '[[signers]]\nname = "A"\nvalid-after = 2026-01-01\nvalid-before = 2026-01-01\n',
        "signers[0].valid-before", 5, "not after valid-after"),
    Bad("role nobody holds", HEAD + PEOPLE + '[policy]\nsigners = ["Alice", "role:ower"]\n', "policy.signers[1]", 7,
        "nobody holds the role 'ower'", "'role:owner'"),
    Bad("role in refs", HEAD + '[[refs]]\nmatch = "refs/heads/main"\nsigners = "role:dev"\n', "refs[0].signers[0]", 4,
        "nobody holds", "give it to someone"),
    Bad("unknown person", HEAD + PEOPLE + '[[refs]]\nmatch = "refs/**"\nrewind-signers = ["Alise"]\n',
        "refs[0].rewind-signers[0]", 8, "no signer is named 'Alise'", "'Alice'"),
    Bad("role without prefix", HEAD + PEOPLE + '[policy]\nsigners = ["owner"]\n', "policy.signers[0]", 7, "no signer",
        "'role:owner'"),
    Bad("nobody may", HEAD + '[[refs]]\nmatch = "refs/**"\nsigners = []\n', "refs[0].signers", 4, "at least 1", "", True),
    # messages
    Bad("ticket with number", HEAD + '[messages]\ntickets = ["JIRA-123"]\n', "messages.tickets[0]", 3, "without number", "",
        True),
    Bad("look-ahead", HEAD + "[messages]\npattern = '(?=a)b'\n", "messages.pattern", 3, "not supported", "linear-time"),
    Bad("unbalanced", HEAD + "[messages]\npattern = '(a'\n", "messages.pattern", 3, "expected ')'"),
    Bad("never: caret", HEAD + "[messages]\npattern = 'a^b'\n", "messages.pattern", 3, "can never match"),
    Bad("never: dollar", HEAD + "[messages]\npattern = '$x'\n", "messages.pattern", 3, "can never match"),
    Bad("never: line end", HEAD + r"""[messages]
pattern = 'a\nb'
""", "messages.pattern", 3, "can never match"),
    Bad("separator line", HEAD + '[messages]\nseparator = "\\n"\n', "messages.separator", 3, "one line", "", True),
    # refs
    Bad("short ref", HEAD + '[[refs]]\nmatch = ["refs/heads/main", "develop"]\n', "refs[0].match[1]", 3, "can never match",
        "'refs/heads/develop'"),
    Bad("star is no slash", HEAD + '[[refs]]\nmatch = "*"\n', "refs[0].match[0]", 3, "does not cross", "refs/heads/**"),
    Bad("ref space", HEAD + '[[refs]]\nmatch = "refs/heads/a b"\n', "refs[0].match[0]", 3, "no such ref name"),
    Bad("ref question mark", HEAD + '[[refs]]\nmatch = "refs/heads/v?"\n', "refs[0].match[0]", 3, "no special meaning"),
    Bad("ref slash", HEAD + '[[refs]]\nmatch = "refs/heads/"\n', "refs[0].match[0]", 3, "can never match", "refs/heads/**"),
    Bad("no match", HEAD + "[[refs]]\nallow-delete = true\n", "refs[0].match", 2, "missing", "", True),
    Bad("empty match", HEAD + "[[refs]]\nmatch = []\n", "refs[0].match", 3, "at least 1", "", True),
    # images
    Bad("path up", HEAD + '[images]\ninclude = ["../x/**"]\n', "images.include[0]", 3, "can never match"),
    Bad("path absolute", HEAD + '[images]\nexclude = ["/etc/**"]\n', "images.exclude[0]", 3, "can never match", "etc/"),
    Bad("negation", HEAD + '[images]\nexclude = ["a/**", "!a/b"]\n', "images.exclude[1]", 3, "no special meaning"),
    Bad("braces", HEAD + '[images]\ninclude = "*.{yml,yaml}"\n', "images.include[0]", 3, "'{'"),
    Bad("nothing included", HEAD + "[images]\ninclude = []\n", "images.include", 3, "at least 1", "", True),
    Bad("no reason", HEAD + '[images]\n[[images.allow-unresolved]]\npath = "a"\n', "images.allow-unresolved[0].reason", 3,
        "missing", "", True),
    Bad("no keys", HEAD + TRUST, "images.trust[0]", 3, "has no keys", "unsafe-unsigned"),
    Bad("empty keys", HEAD + TRUST + "keys = []\n", "images.trust[0].keys", 5, "has no keys"),
    Bad("threshold", HEAD + TRUST + 'keys = ["a", "b"]\nthreshold = 3\n', "images.trust[0].threshold", 6, "at most 2"),
    Bad("threshold zero", HEAD + TRUST + 'keys = ["a"]\nthreshold = 0\n', "images.trust[0].threshold", 6, "from 1", "", True),
    Bad("key twice", HEAD + TRUST + 'keys = ["a", "./a"]\nthreshold = 2\n', "images.trust[0].keys[1]", 5, "twice"),
    Bad("keys and unsigned", HEAD + TRUST + 'keys = "a"\nunsafe-unsigned = "x"\n', "images.trust[0].keys", 5, "beside"),
    Bad("annotations and unsigned", HEAD + TRUST + 'annotations = { a = "b" }\nunsafe-unsigned = "x"\n',
        "images.trust[0].annotations", 5, "beside"),
    Bad("empty reason", HEAD + TRUST + 'unsafe-unsigned = ""\n', "images.trust[0].unsafe-unsigned", 5, "empty text", "", True),
    Bad("annotation number", HEAD + TRUST + 'keys = "a"\nannotations = { a = 1 }\n', "images.trust[0].annotations.a", 6,
        "got the number 1", "", True),
    *(
        Bad(f"image {match}", HEAD + f'[images]\n[[images.trust]]\nmatch = "{match}"\nkeys = "k"\n', "images.trust[0].match", 4,
            "can never match", hint)
        for match, hint in (
            ("nginx", "docker.io/library/nginx"), ("docker.io/nginx", "docker.io/library/nginx"),
            ("library/nginx", "docker.io/library/nginx"), ("ghcr.io/x/y:v1", ""), ("ghcr.io/x@sha256:00", ""),
            ("https://ghcr.io/x", "ghcr.io/x"), ("ghcr.io/X/y", ""), ("/ghcr.io/x", ""), ("ghcr.io/x/", "ghcr.io/x/**"),
            ("ghcr.io//x", ""), ("*", ""), ("index.docker.io/library/x", "docker.io/library/x"),
        )
    ),
)
