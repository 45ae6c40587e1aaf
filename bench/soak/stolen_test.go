package main

import "testing"

func TestStolen(t *testing.T) {
	t.Parallel()

	before, err := parseTimes("cpu  10 0 10 70 0 0 0 10 5 0\ncpu0 1 1 1 1 1 1 1 1 1 1\n")
	if err != nil {
		t.Fatal(err)
	}

	after, err := parseTimes("cpu  20 1 20 110 1 1 2 45 6 0\n")
	if err != nil {
		t.Fatal(err)
	}

	if got := after.stolenSince(before); got != 35 {
		t.Errorf("%v %% were stolen, want 35", got)
	}

	if got := after.stolenSince(after); got != 0 {
		t.Errorf("%v %% were stolen in no time", got)
	}

	for _, text := range []string{
		"", "cpu", "cpu 1 2 3 4 5 6 7", "cpu 1 2 3 4 5 6 7 x", "intr 1 2 3 4 5 6 7 8",
	} {
		if _, err := parseTimes(text); err == nil {
			t.Errorf("%q is taken", text)
		}
	}
}
