"""The functions of a source file in the kernel's style."""

from __future__ import annotations

from harness.code.index import CodeFunction
from harness.code.source import functions_of

TEXT = """\
// SPDX
#define X(a) do { \\
	a; } while (0)

struct tcp_md5sig_key
{
	int a;
};
static const struct proto_ops ops = {
	.a = 1,
};

/* It is over. */
static bool tcp_fin(struct sock *sk, /* never null */
		int len)
{
	if (len) {
		return true;
	}
	return false;
}
EXPORT_SYMBOL(tcp_fin);
INDIRECT_CALLABLE_SCOPE void
tcp_v4_send(struct sock *sk) __must_hold(x)
{
}

static inline int one(int a) {
	return a;
}

static __printf(1, 2) void log_it(const char *f, ...)
{
}
"""


def test_each_from_its_declaration_to_its_brace() -> None:
    assert functions_of(TEXT) == (
        CodeFunction("tcp_fin", 14, 21),
        CodeFunction("tcp_v4_send", 23, 26),
        CodeFunction("one", 28, 30),
        CodeFunction("log_it", 32, 34),
    )


def test_a_file_without_any() -> None:
    assert functions_of("") == functions_of("int a;\n#define B {\n") == ()
