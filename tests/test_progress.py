from actupose.progress import progress


def test_a_bar_that_nobody_sees_prints_nothing_and_may_be_advanced(capfd):
    with progress("work", 3) as advance:
        for step in range(5):
            advance(step)
    with progress("unknown length", None) as advance:
        advance(0)
    out, err = capfd.readouterr()
    assert (out, err) == ("", "")
