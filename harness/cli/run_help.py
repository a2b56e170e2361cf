"""The one screen that ``finwait run --help`` prints."""

TEXT = """\
usage: finwait run [OPTIONS] [SCENARIO ...]

Run scenarios against the running kernel and report where its TCP deviates.
A SCENARIO is a folder, a file or FILE::TEST; without one all scenarios run.
Scripts of packetdrill (.pkt) are scenarios too: docs/packetdrill.md.

which scenarios
  -k EXPRESSION         those whose names match, such as -k "fin and not data"
  -n auto               run in parallel, one process per processor
  -x                    stop at the first failure
  --collect-only -q     list the scenarios and run none

how long
  --real-wait SECONDS   also run scenarios that wait this long for timers [3]

with what settings
  --defaults            keep the kernel's own timers, rate limits and sysctls
                        where labs set others: docs/conditions.md

what is kept
  --run-dir DIR         where to put the run folder [reports/runs]
  --junitxml, --ktap, --kcidb, --gitlab FILE       for CI: docs/ci.md
  --captures WHICH      none, deviating or all [deviating]
  --report DIR          also write pages to look at, see finwait report --help

what counts as a failure, where it is not what Linux does by design
  --strict              also what conforms and is known to deviate
  --rfc                 every deviation from the RFCs, by design or not
  --baseline FILE       all but exactly the deviations that FILE lists
  --known-deviations    no known defect either, to test finwait itself
  --fail-on OUTCOMES    of deviates, lost, unsupported [deviates,lost]
  --exit-zero           nothing

Every other option of pytest works as well: finwait run --help-pytest

examples
  finwait run                              all scenarios
  sudo .venv/bin/python -m harness run     as root, with tracepoints as evidence

exit status: 0 green, 1 red, 2 a mistake, 5 no scenario; see docs/ci.md
"""
