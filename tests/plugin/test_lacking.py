"""What skips lacked is added up: each package and each kernel once, with how many skips it would end."""

from __future__ import annotations

from harness.plugin.lacking import remedies


def test_packages_and_kernels_of_all_skips_stand_in_one_line_each() -> None:
    reasons = [
        "nginx is not installed; try: apt-get install nginx",
        "nginx is not installed; try: sudo apt-get install nginx",
        "tshark is not installed (Debian package: tshark)",
        "no flex, gcc; try: apt-get install flex gcc",
        "uml:5.10 is not here; try: finwait kernels fetch uml:5.10",
        "uml-virtual:7.2 is not built yet; try: finwait kernels build uml-virtual:7.2",
        "this kernel has no IPv6",
    ]
    assert list(remedies(reasons)) == [
        "4 skips for lack of packages; try: apt-get install flex gcc nginx tshark",
        "2 skips for lack of kernels; try: finwait kernels build uml-virtual:7.2; finwait kernels fetch uml:5.10",
    ]


def test_skips_that_no_package_ends_are_not_counted() -> None:
    assert list(remedies(["this kernel has no IPv6", "waits 60 s"])) == []
