package message

import "testing"

func TestFieldsAreTheOctetsOfTheHeader(t *testing.T) {
	const header = "From ann\r\n stray\r\nReceived: a\r\n\tb\r\nX :c\r\nd\r\nReceived:\te \r\n \r\n\r\nBody: no\r\n"
	want := []struct{ name, value, raw string }{
		{"", "From ann", "From ann\r\n"},
		{"", " stray", " stray\r\n"},
		{"Received", "a\tb", "Received: a\r\n\tb\r\n"},
		{"X", "c d", "X :c\r\nd\r\n"}, // RFC 7103 §7.2
		{"Received", "e", "Received:\te \r\n \r\n"},
	}
	received := 0
	for f := range Fields([]byte(header)) {
		if len(want) == 0 {
			t.Fatalf("and %q", f.Raw)
		}
		if w := want[0]; f.Name != w.name || f.Value() != w.value || string(f.Raw) != w.raw {
			t.Errorf("got %q %q %q, want %q", f.Name, f.Value(), f.Raw, w)
		}
		want = want[1:]
		if f.Is("RECEIVED") {
			received++
		}
		if f.Is("") {
			t.Errorf("%q has the empty name", f.Raw)
		}
	}
	if len(want) > 0 || received != 2 {
		t.Errorf("missing %q, %d Received", want, received)
	}
}

func TestAllStopsWhereItsLoopDoes(t *testing.T) {
	s := summarize(t, sectionsExample)
	total := 0
	for range s.Structure.All() {
		total++
	}
	if total != 15 {
		t.Errorf("%d parts", total)
	}
	for stop := 1; stop <= total; stop++ {
		n := 0
		for range s.Structure.All() {
			if n++; n == stop {
				break
			}
		}
		if n != stop {
			t.Errorf("stopped at %d, not %d", n, stop)
		}
	}
}
