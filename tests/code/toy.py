"""A program with branches, a loop, and a function that the compiler puts into its caller."""

SOURCE = """\
#include <stdio.h>
#include <stdlib.h>

static inline int small(int a)
{
	if (a > 3)
		return a;
	return 2 * a;
}

int loop(int n)
{
	int i, s = 0;

	for (i = 0; i < n; i++) {
		if (i % 2 &&
		i != 7)
			s += small(i);
		else
			s -= 1;
		if (s > 1000)
			goto out;
	}
	return s;
out:
	puts("out");
	exit(3);
}

int main(int argc, char **argv)
{
	switch (argc) {
	case 1:
		return loop(3);
	case 2:
		return loop(5000);
	default:
		return loop(argc);
	}
}
"""
NAME = "net/ipv4/toy"
