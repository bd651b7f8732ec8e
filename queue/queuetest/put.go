package queuetest

import (
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue"
)

var putPromises = []promise{
	{
		name:  "PutReturnsIDsInOrder",
		text:  "Put adds messages and returns their IDs in the same order; NotBefore zero means that the recipients are due now",
		check: putInOrder,
	},
	{
		name:  "PutIsAllOrNone",
		text:  "Put adds messages, all or none",
		check: putAllOrNone,
	},
	{
		name:  "PutRefusesWhatCannotBeKept",
		text:  "a Submission has at least one recipient, a content, and at most MaxData octets of Data",
		check: putRefuses,
	},
	{
		name:  "ContentIsExact",
		text:  "Content returns the bytes of a message, exactly as they were put in",
		check: contentExact,
	},
	{
		name:  "ContentOutlivesTheMessage",
		text:  "until it is closed a Content can be read even if the message leaves the queue; then Content is ErrNotExist",
		check: contentOutlives,
	},
	{
		name:  "EveryFieldIsKept",
		text:  "what Put was given of the envelope and the recipients is what Claim and Entries return, octet for octet; what was not given stays zero",
		check: fieldsKept,
	},
	{
		name:  "IDsAreNeverReused",
		text:  "an ID is 1 to 64 characters out of A-Z a-z 0-9 -, and no two messages ever have the same, those of other queues included",
		check: idsNeverReused,
	},
	{
		name:  "ManyRecipients",
		text:  "a message may have many recipients, with hops of their own or in common",
		check: manyRecipients,
	},
}

func putInOrder(k *kit) {
	ids, err := k.q.Put(k.ctx, mail("a", "x@a.example"), mail("b", "x@a.example", "y@b.example"), mail("c", "x@a.example"))
	k.must(err)
	for i, name := range []string{"a", "b", "c"} {
		for _, e := range k.entries(queue.Filter{ID: ids[i]}) {
			same(k, fmt.Sprintf("sender of message %d", i), e.Message.Envelope.ReversePath.Local, name)
			k.near("Created", e.Message.Created, time.Now())
			k.near("Due", e.Due, time.Now())
		}
	}
	k.wantQueue(queue.Filter{}, "a 0", "b 0", "b 1", "c 0")
	ids, err = k.q.Put(k.ctx)
	k.must(err)
	same(k, "IDs of no messages", len(ids), 0)
}

// unreadable is a content that fails.
type unreadable struct{ postrider.Content }

var errUnreadable = errors.New("cannot be read")

func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, errUnreadable }

func putAllOrNone(k *kit) {
	for _, size := range []int{10, 100 << 10} {
		bad := mail("bad", "x@a.example")
		bad.Content = unreadable{postrider.String(strings.Repeat("x", size))}
		if _, err := k.q.Put(k.ctx, mail("good", "x@a.example"), bad); err == nil {
			k.broken("Put took a content of %d octets that cannot be read", size)
		}
		if _, err := k.q.Put(k.ctx, mail("good", "x@a.example"), mail("nobody")); err == nil {
			k.broken("Put took a message without recipients")
		}
		k.wantQueue(queue.Filter{})
	}
}

func putRefuses(k *kit) {
	if _, err := k.q.Put(k.ctx, mail("nobody")); err == nil {
		k.broken("Put took a message without recipients")
	}
	empty := mail("empty", "x@a.example")
	empty.Content = nil
	if _, err := k.q.Put(k.ctx, empty); err == nil {
		k.broken("Put took a message without content")
	}
	s := mail("data", "x@a.example")
	s.Recipients[0].Data = make([]byte, queue.MaxData+1)
	if _, err := k.q.Put(k.ctx, s); err == nil {
		k.broken("Put took %d octets of Data", len(s.Recipients[0].Data))
	}
	s.Recipients[0].Data = s.Recipients[0].Data[:queue.MaxData]
	k.put(s)
	same(k, "octets of Data", len(k.entry().Data), queue.MaxData)
}

func contentExact(k *kit) {
	var all []byte
	for b := range 256 {
		all = append(all, byte(b))
	}
	for _, size := range []int{0, 1, 256, 4 << 10, 8 << 10, 64<<10 - 1, 64 << 10, 64<<10 + 1, 100_000, 1 << 20} {
		want := strings.Repeat(string(all), size/256+1)[:size]
		s := mail("m", "x@a.example")
		s.Content = postrider.String(want)
		id := k.put(s)
		if got := k.content(id); got != want {
			k.broken("content of %d octets came back as %d others", size, len(got))
		}
		for _, e := range k.entries(queue.Filter{ID: id}) {
			same(k, "Size", e.Message.Size, int64(size))
		}
		k.readFrom(id, want)
	}
}

// readFrom reads a content from offsets in its midst.
func (k *kit) readFrom(id queue.ID, want string) {
	k.Helper()
	c, err := k.q.Content(k.ctx, id)
	k.must(err)
	defer c.Close()
	same(k, "Size of the content", c.Size(), int64(len(want)))
	for _, off := range []int{0, len(want) / 3, max(len(want)-5, 0)} {
		b := make([]byte, 5)
		n, err := c.ReadAt(b, int64(off))
		if err != nil && err != io.EOF || string(b[:n]) != want[off:min(off+5, len(want))] {
			k.broken("ReadAt(%d) is %q, %v", off, b[:n], err)
		}
	}
}

func contentOutlives(k *kit) {
	large := mail("large", "x@a.example")
	large.Content = postrider.String(strings.Repeat("large ", 20_000))
	for _, s := range []queue.Submission{mail("small", "x@a.example"), large} {
		id := k.put(s)
		c, err := k.q.Content(k.ctx, id)
		k.must(err)
		k.settle(k.claimOne().Token, fate(queue.Delivered, 0)...)
		if _, err := k.q.Content(k.ctx, id); !errors.Is(err, queue.ErrNotExist) {
			k.broken("Content of a message that left: %v", err)
		}
		got, err := postrider.ReadAll(c)
		k.must(err)
		want, err := postrider.ReadAll(s.Content)
		k.must(err)
		if !slices.Equal(got, want) {
			k.broken("an open content of %d octets changed when its message left", len(want))
		}
		k.must(c.Close())
		k.must(c.Close())
	}
	_, err := k.q.Content(k.ctx, "no-such-message")
	k.want(err, queue.ErrNotExist, "Content of an ID that never was")
	_, err = k.q.Content(k.ctx, "")
	k.want(err, queue.ErrNotExist, "Content of no ID")
}

func idsNeverReused(k *kit) {
	seen := map[queue.ID]bool{}
	check := func(id queue.ID) {
		k.Helper()
		if seen[id] {
			k.broken("ID %q was given out twice", id)
		}
		seen[id] = true
		if len(id) < 1 || len(id) > 64 || strings.Trim(string(id), "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			k.broken("ID %q", id)
		}
	}
	for range 3 {
		ids, err := k.q.Put(k.ctx, mail("a", "x@a.example"), mail("b", "x@a.example"))
		k.must(err)
		for _, id := range ids {
			check(id)
		}
		for _, c := range k.claim() {
			k.settle(c.Token, fate(queue.Delivered, 0)...)
		}
	}
	if k.options.Reopen != nil {
		k.reopen()
		check(k.put(mail("a", "x@a.example")))
	}
	// Two more, which begin alike.
	var first queue.ID
	for range 2 {
		other := k.newQueue(k.TB)
		defer func() { k.must(other.Close()) }()
		ids, err := other.Put(k.ctx, mail("a", "x@a.example"))
		k.must(err)
		check(ids[0])
		if first != "" {
			_, err := other.Content(k.ctx, first)
			k.want(err, queue.ErrNotExist, "Content of another queue's message")
		}
		first = ids[0]
	}
}

func manyRecipients(k *kit) {
	const n = 2000
	var to []string
	for i := range n {
		to = append(to, fmt.Sprintf("r%d@d%d.example", i, i%100))
	}
	id := k.put(mail("list", to...))
	same(k, "recipients", len(k.entries(queue.Filter{ID: id})), n)
	claims := k.claim()
	same(k, "claims", len(claims), 100)
	for _, c := range claims {
		same(k, "recipients of a claim", len(c.Recipients), n/100)
		var outcomes []queue.Outcome
		for _, e := range c.Recipients {
			same(k, "domain of recipient", e.ForwardPath.Domain, c.Hop.NextHop)
			outcomes = append(outcomes, fate(queue.Delivered, e.Index)...)
		}
		k.settle(c.Token, outcomes...)
	}
	k.wantQueue(queue.Filter{})
}
