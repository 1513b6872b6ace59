"""What a secret looks like in a text, and what only reads like one."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from fastapi_hybrid_breaker.core.redaction import mask_quoted, redact

if TYPE_CHECKING:
    from collections.abc import Callable

S = "hunter2Zq"

SECRET = [
    # fields, by their names
    f"passcode={S}",
    f"otp={S}",
    f"pin={S}",
    f"SMTP_PASS={S}",
    f"GITHUB_TOKEN={S}",
    f"SLACK_BOT_TOKEN: {S}",
    f"AWS_SECRET_ACCESS_KEY={S}",
    f"aws_session_token = {S}",
    f"PGPASSWORD={S} psql",
    f"MYSQL_PWD={S}",
    f"GITHUB_PAT={S}",
    f"DJANGO_SECRET={S}",
    f"encryption_key={S}",
    f"signing-key: {S}",
    f"Ocp-Apim-Subscription-Key: {S}",
    f"x-functions-key: {S}",
    f"refreshToken: {S}",
    f"csrftoken={S}",
    f"code_verifier={S}",
    f"client_assertion={S}",
    f"SharedAccessKey={S}=",
    f"kennwort={S}",
    f"api key: {S}",
    f"OTP code: {S}",
    f"password\t=\t{S}",
    f"host=db password=a\\ {S} user=x",
    # headers and cookies
    f"Authorization: Bearer {S}",
    f"Proxy-Authorization: Basic {S}==",
    f"Cookie: theme=dark; session={S}",
    f"Set-Cookie: sid={S}; Path=/",
    f"PHPSESSID={S}",
    f"connect.sid={S}",
    f"X-Vault-Token: {S}",
    f"Negotiate YII{S}",
    f'Digest username="bob", response="{S}"',
    # objects
    f'{{"password": "{S}"}}',
    f'{{"accessToken":"{S}"}}',
    f"{{'passcode': {S!r}, 'x': 1}}",
    f"{{b'password': b'{S}'}}",
    f"{{'password': ['a', '{S}'], 'x': 1}}",
    f'{{"credentials": {{"user": "bob", "key": "{S}"}}}}',
    f"Login(otp='{S}', name='ann')",
    f"password=SecretValue({S})",
    f"[('passcode', '{S}')]",
    f"<passcode>{S}</passcode>",
    f"AuthToken('{S}')",
    f"BasicAuth('bob', '{S}')",
    # addresses
    f"postgresql+asyncpg://app:p@ss{S}@db:5432/app",
    f"mongodb+srv://u:{S}@cluster0.ab.mongodb.net/x",
    f"mysql://root:{S}/x@db/app",
    f"redis://:{S}@r:6379/0",
    f"user:{S}@tcp(127.0.0.1:3306)/db",
    f"scott/{S}@db:1521/orcl",
    f"https://user:p%40ss{S}@host/x",
    f"https://host/x#access_token={S}",
    f"GET /x?key={S}&b=1",
    # sentences and commands
    f"the password is {S}",
    f"password {S} is wrong",
    f"API key {S} is not valid",
    f"invalid token: {S}",
    f"otp {S} has expired",
    f"verification code {S}",
    f"curl -u bob:{S} https://h",
    f"mysql -uroot -p{S}",
    f"--api-token {S}",
    f"redis-cli -h db -a {S} ping",
    f"sshpass -p {S} ssh db",
    f"ACL SETUSER bob on >{S} +@all",
    f"AUTH default {S}",
    f"config set requirepass {S}",
    f"CREATE USER bob IDENTIFIED BY '{S}'",
    f"Password for user 'bob' is '{S}'",
    f"password is: {S}",
    f"2fa_code={S}",
    f"the token is {S}",
    f"access token was: '{S}'",
    f"login u {S} refused",
    f'a1 LOGIN "bob" "{S}"',
    f"PASS {S}",
    f"pwd is {S}",
    # lines and columns
    f"secret: >\n  {S}",
    f"secret: |\n  some\n\n  {S}\n",
    f"db:\n  password: |-2\r\n    {S}",
    f"passwords:\n  - other\n  - {S}",
    f"passwords:\n- other\n- {S}",
    f"secret:\n  value: {S}",
    f"client_secret\t{S}",
    f"user\tbob\npassword \t {S}\n",
    f"secret: >  # a note\n  {S}",
    f"secret: !!str |\n  {S}",
    f"secret: >\n{S}",
    f"secret:\r  - x\r  - {S}",
    f"client_secret\u00a0{S}",
    f"client_secret\v{S}",
    f"login as u with {S}",
    # disguised
    f"\U0001d429\U0001d41a\U0001d42c\U0001d42c\U0001d430\U0001d428\U0001d42b\U0001d41d={S}",
    "\uff50\uff41\uff53\uff53\uff57\uff4f\uff52\uff44=" + S,
    f"pass\uff57ord\uff1a {S}",
    f"pass\u200bword={S}",
    f"api\u00ad_key={S}",
    f"pass\x00word={S}",
    f"p\u2060a\ufeffssword\u200d: {S}",
    f"\x1b[31mpassword\x1b[0m={S}",
    f"password\u00a0=\u00a0{S}",
    f"password\u00a0:\u3000{S}",
]

KNOWN_FORMS = [
    "AKIAIOSFODNN7EXAMPLE",
    "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY",
    "sk-proj-abcDEF123456ghi",
    "sk_live_abcdefghijk1234",
    "ghp_abcdefghijklmnopqrstuvwxyz0123456789",
    "gho_16C7e42F292c6912E7710c838347Ae178B4a",
    "github_pat_11ABCDEFG_abcdef",
    "glpat-abcdefghij1234567890",
    "xoxb-123456789012-abcdefghij",
    "xapp-1-A123-456-abc",
    "hf_abcdefghijklmnop",
    "npm_abcdefghijklmnop",
    "pypi-AgEIcHlwaS5vcmc",
    "dop_v1_abcdef0123456789",
    "shpat_abcdef0123456789abcdef",
    "SG.abcdefghijklmnopqrstuv.wxyz0123456789ABCDEFGHIJ",
    "hvs.CAESIabcdef1234567890",
    "ya29.a0AfH6SMBabcdefg",
    "AIzaSyA1234567890abcdefghijklmnopqrstuv",
    "bot123456789:AAEabcdefghijklmnopqrstuvwxyz0123456",
    "T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX",
    "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl",
    "eyJhbGciOiJkaXIifQ..aXY.Y2lwaGVy.dGFn",
]

HARMLESS = [
    "token expired",
    "invalid token",
    "invalid token: signature has expired",
    "password: field required",
    "token=None",
    "auth=none",
    "password must be longer than 8",
    "password authentication failed for user",
    "the password is wrong",
    "secret not found",
    "basic auth is required",
    "Basic authentication is required",
    "bearer authentication needed",
    "Bearer token missing",
    "Basic information required",
    "digest mismatch",
    "digest sha256 is wrong",
    "token ring is down",
    "unexpected token at position 3",
    "missing key: price",
    'duplicate key value violates unique constraint "users_pkey"',
    "max_tokens=4096",
    "prompt_tokens: 12",
    "token_count=12",
    "token_type=bearer",
    "password_length: 3",
    "tokenizer=bpe",
    "secretary=ann",
    "author=bob",
    "authority: example.com",
    "auth_server: down",
    "passed=3 failed=4",
    "passenger=bob",
    "compass: north",
    "opinion=mine",
    "spinning=true",
    "option=1",
    "monkey=7",
    "primary_key: id",
    "cache key: v1",
    "code=503",
    "error code 482913",
    "zip code 12345",
    "cookies are disabled",
    "session expired",
    "signed=3",
    "pk_index_2024_orders is gone",
    "sk_column missing",
    "hf_model_v2_large",
    "npm_config_registry2",
    "pypi-mirror-2 is down",
    "risk-assessment-2024 failed",
    "task-1234567890 failed",
    "trace id 4bf92f3577b34da6a3ce929d0e0e4736",
    "order 123e4567-e89b-12d3-a456-426614174000",
    "AbstractSingletonProxyFactoryBeanHolder2 failed",
    "error at 12:30:45",
    "10.0.0.1:6379 refused",
    "repo/image@sha256:12ab",
    "100%25 of /a%20b",
    "ERR AUTH <password> called without any password configured",
    "NOAUTH Authentication required",
    "get_user('bob', 'x') failed",
    "validate_token(token) failed",
    "the token is expired",
    "token is base64-encoded",
    "token is 3600 seconds old",
    "token\texpired",
    "login failed after 3 attempts",
    "login at 2024-01-01T12:00",
    "login page for user42 is down",
    "PASS 3 tests",
    "the secret is:\nnot here",
    "invalid token:\n  signature has expired",
    "caf\u00e9 \uff21\uff22 is closed",
    "no\u200bspace at 3",
    "C:\\xab\\u0041 is missing",
]


@pytest.mark.parametrize("text", SECRET)
def test_a_secret_was_logged_and_shared(text: str) -> None:
    assert S not in redact(text)


@pytest.mark.parametrize("text", KNOWN_FORMS)
def test_a_token_of_a_known_form_was_logged_and_shared(text: str) -> None:
    assert redact(text) == "***"
    assert redact(f"refused: {text}, try again").startswith("refused: ***")


@pytest.mark.parametrize("text", HARMLESS)
def test_words_that_explain_were_masked(text: str) -> None:
    assert redact(text) == text


@pytest.mark.parametrize(
    "wrap",
    [
        lambda text: f"upstream said: {text}, giving up",
        lambda text: json.dumps({"detail": text, "n": 1}),
        lambda text: json.dumps(json.dumps({"detail": text})),
        lambda text: repr({"m": text}),
        lambda text: repr(text.encode()),
        lambda text: quote(text, safe=""),
        lambda text: quote(quote(text, safe=""), safe=""),
        lambda text: f"({text})",
    ],
    ids=["sentence", "json", "json in json", "repr", "bytes", "encoded", "twice", "brackets"],
)
def test_a_secret_showed_where_its_text_is_quoted_or_encoded(wrap: Callable[[str], str]) -> None:
    assert [text for text in SECRET if S in redact(wrap(text))] == []


def test_what_is_around_a_secret_stays() -> None:
    assert redact("requirepass swordfish") == "requirepass ***"
    assert redact('{"a": 1, "otp": 123456, "b": 2}') == '{"a": 1, "otp": ***, "b": 2}'
    assert redact("{'tokens': {'a': 'b', 'c': [1]}, 'n': 1}") == "{'tokens': ***, 'n': 1}"
    assert redact("f(otp='a', n=1)") == "f(otp=***, n=1)"
    assert redact("http://h/a%20b?x=1") == "http://h/a%20b?x=***"


@pytest.mark.parametrize("text", [*SECRET, *KNOWN_FORMS, *HARMLESS])
def test_a_text_that_is_redacted_again_stays_as_it_is(text: str) -> None:
    once = redact(text)
    assert redact(once) == once


@pytest.mark.parametrize("end", ["", "=", "'", ";", "]", "@h:1/"])
@pytest.mark.parametrize(
    "unit",
    [
        *("token: ", "token:[", "token={", "password\\", "passwords:(", "otp:\\", "a;", "key="),
        *("sk-a1", "eyJa.", "SG.aaaaaaaaaa.", "123456789:", "aB1", "a1B/", "T111111/B111111/"),
        *("a/b@", "mysql -p", "-u a", "digest a=", "bearer ", "api key ", "otp code ", "a "),
        *(
            "secret:\n ",
            "secret: |\n\n",
            "secret:\n- a\n",
            "secret:\\n ",
            "token\t",
            "a\t",
            "\\x41",
        ),
        *("\uff50=", "\ufdfa", "\\u200b", "login a ", "PASS a", "\x1b[3", "\\x4"),
        *("secret:\n \\", "secret:\\n\\", "token is a1", "token is ", "login \t ", "\\r\\n "),
        *("%25", "password%3D", "a%3A%2F%2F", "x://a@", "secret 'a", '("a", ', "a]"),
    ],
)
def test_an_error_with_a_long_line_stopped_the_event_loop(unit: str, end: str) -> None:
    text = (unit * 2_000)[:1_999] + end
    begin = time.thread_time()
    redact(text)
    mask_quoted(text)
    # The processor's time of this thread alone, and a hundred times what it takes.
    assert time.thread_time() - begin < 0.9


@pytest.mark.parametrize(
    ("text", "left"),
    [
        (f'no such header "{S}"', 'no such header "***"'),
        (f"no such header '{S}'", "no such header '***'"),
        (f"b'{S}' or \"{S}\"", "b'***' or \"***\""),
        ("nothing is quoted", "nothing is quoted"),
    ],
)
def test_what_is_quoted_goes_whatever_the_quotes(text: str, left: str) -> None:
    assert mask_quoted(text) == left


def test_a_url_with_an_empty_user_keeps_its_host() -> None:
    assert redact("GET http://@host/items failed") == "GET http://***@host/items failed"


@pytest.mark.parametrize(("changes", "is_masked"), [(23, False), (24, False), (25, True)])
def test_a_long_word_is_a_token_where_more_than_48_percent_of_it_change_kind(
    changes: int, is_masked: bool
) -> None:
    mixed = ("aB1" * 50)[: changes + 1]
    word = mixed.ljust(50, mixed[-1])
    assert (redact(f"got {word}") == "got ***") is is_masked
