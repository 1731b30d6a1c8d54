"""What somebody may write where a value is expected, and what nobody may be told about it."""

RAW = ("cannot convert", "Exceeds the limit", "invalid literal", "unsupported operand", "ambiguous")
RAW += ("not supported between", "object is not", "has no attribute", "unhashable", "must be real")
RAW += ("embedded null", "could not convert", "out of bounds", "codec can't", "not subscriptable")
RAW += ("out of range", "positional argument", "Unknown format code", "Traceback", "<class '")
"""Words of Python, NumPy and PyTorch about their own doings."""

NUMBERS = (
    *("", " ", "nan", "-nan", "inf", "-inf", "0", "-0", "-1", "1e999", "1e-320", "1e9", "0x10"),
    *("1_000", "\u0663", "\u00b2", "\uff11", "\u00bd", "1\n", "1,,2", ",", "1/0", "3/2", "1/3/5"),
    *("9" * 30, "9" * 5000, "1/99999999999999", "true", "None", "auto"),
)
WORDS = (
    *("---", "--", "[]", "{}", "=", "a=", "=b", "\ud800", "\udcff", "\0", "a\0b", "\n", "\x1b[2J"),
    *("%s%d%n", "{0}", "$(true)", "x" * 300, "x" * 100_000, "http://x/y", "pipe:0", "\u202e"),
)
PLACES = (
    *("folder", "pipe", "empty", "junk", "itself", "nowhere", "deep/er/still", "junk/below"),
    *("/dev/full", "/dev/null", "/dev/zero", "/dev/stdin", "/proc/self/mem", "/proc/none", "."),
    *("..", "~", "x/" * 3000, "file:///etc/passwd", "concat:a|b", "lavfi:testsrc"),
)
TIMES = (
    *("1-", "-1:", "1-2:3 ease ease", "rest", "1:nan", "1-3:inf", "0s-1s:nan", "1e400s", "::"),
    *("1::2", "99999999999f", "0f", "-1f", "16777216x1", "0x0", "-1x-1", "65536x65536"),
    *("cuda:99", "meta", "cpu:7", "local:0", "local:-1", "local:99999", "ray:0"),
)
TEXTS = (*NUMBERS, *WORDS, *PLACES, *TIMES)
"""Values of options and words on the command line."""
