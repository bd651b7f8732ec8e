package sqlqueue

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

func someEnvelope() postrider.Envelope {
	priority := -3
	return postrider.Envelope{
		ReversePath: postrider.Address{Local: "ann", Domain: "example.org"},
		Body:        postrider.Body8BitMIME,
		Auth:        &postrider.Address{},
		EnvelopeID:  "QQ\x00\xff",
		Hold:        time.Date(9999, 12, 31, 23, 59, 59, 999_999_999, time.UTC),
		DeliverBy:   &postrider.DeliverBy{Deadline: time.Unix(-1, 0), Trace: true},
		Priority:    &priority,
		Solicit:     []string{"", "a"},
		Params:      []postrider.Param{{Keyword: "X"}, {Keyword: "Y", Value: "1"}},
	}
}

func someEntry() queue.Entry {
	return queue.Entry{
		LastAttempt: time.Unix(1, 2), LastRemote: "mx.example.org",
		LastStatus: &postrider.Status{Code: "4.2.1", Reply: 450, Text: "later\r\n", Err: errors.New("why")},
	}
}

// sameStatus compares causes by their texts.
var sameStatus = cmp.Comparer(func(a, b *postrider.Status) bool {
	if a == nil || b == nil {
		return a == b
	}
	return a.Code == b.Code && a.Reply == b.Reply && a.Text == b.Text && fmt.Sprint(a.Err) == fmt.Sprint(b.Err)
})

func TestRecordsComeBackAsTheyWere(t *testing.T) {
	var env postrider.Envelope
	want := someEnvelope()
	if err := decode(encoded(func(c *coder) { c.envelope(&want) }), func(c *coder) { c.envelope(&env) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, env); diff != "" {
		t.Errorf("envelope (-want +got):\n%s", diff)
	}
	var e queue.Entry
	entry := someEntry()
	if err := decode(encoded(func(c *coder) { c.last(&entry) }), func(c *coder) { c.last(&e) }); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(entry, e, sameStatus); diff != "" {
		t.Errorf("last attempt (-want +got):\n%s", diff)
	}
	if n := len(encoded(func(c *coder) { c.envelope(new(postrider.Envelope)) })); n != 0 {
		t.Errorf("an empty envelope takes %d octets", n)
	}
}

func TestDamagedRecordsAreErrors(t *testing.T) {
	for name, record := range map[string][]byte{
		"no length":         {1},
		"too long":          {1, 3, 'a', 'n'},
		"endless length":    {1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
		"unknown tag":       {99, 0},
		"tags out of order": {2, 1, 'x', 1, 1, 'y'},
		"tag twice":         {1, 1, 'x', 1, 1, 'y'},
		"long number":       {3, 2, 2, 2},
		"number without":    {3, 0},
		"tail":              {1, 1, 'x', 0},
	} {
		var e postrider.Envelope
		if err := decode(record, func(c *coder) { c.envelope(&e) }); !errors.Is(err, errRecord) {
			t.Errorf("%s: %v, envelope %+v", name, err, e)
		}
	}
}

// FuzzRecord reads whatever lies in the database. What can be read is written and read again as the same.
func FuzzRecord(f *testing.F) {
	env, entry := someEnvelope(), someEntry()
	rcpt := queue.Recipient{Data: []byte("{}")}
	rcpt.ForwardPath = postrider.Address{Local: "bob", Domain: "example.org"}
	f.Add(encoded(func(c *coder) { c.envelope(&env) }))
	f.Add(encoded(func(c *coder) { c.recipient(&rcpt) }))
	f.Add(encoded(func(c *coder) { c.last(&entry) }))
	f.Add([]byte{1, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, record []byte) {
		again(t, record, (*coder).envelope)
		again(t, record, (*coder).recipient)
		again(t, record, (*coder).last)
	})
}

func again[T any](t *testing.T, record []byte, describe func(*coder, *T)) {
	var first, second T
	if decode(record, func(c *coder) { describe(c, &first) }) != nil {
		return
	}
	b := encoded(func(c *coder) { describe(c, &first) })
	if err := decode(b, func(c *coder) { describe(c, &second) }); err != nil {
		t.Fatalf("%q was read, written as %q, and cannot be read again: %v", record, b, err)
	}
	if diff := cmp.Diff(first, second, sameStatus); diff != "" {
		t.Fatalf("%q changes when it is written and read again:\n%s", record, diff)
	}
}
