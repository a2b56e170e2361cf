"""All that pytest sees of finwait: options, hooks, fixtures, markers, the recorder, known deviations."""
