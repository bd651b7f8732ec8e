package storetest

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"
	"sync/atomic"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
)

var contentPromises = []promise{
	{
		name:  "bytes are exact",
		text:  "Content returns the bytes of a message, exactly as they were put in.",
		check: checkExactBytes,
	}, {
		name:  "a large message can be read from any offset",
		text:  "Content is readable from any offset, many times and by many goroutines at once.",
		check: checkLarge,
	}, {
		name:  "a content is readable until it is closed",
		text:  "The caller closes it; until then it can be read even if the message is expunged meanwhile.",
		check: checkContentAfterExpunge,
	}, {
		name:  "a message that is not there has no content",
		text:  "ErrNotExist if there is no such message.",
		check: checkNoContent,
	}, {
		name:  "contents are borrowed",
		text:  "A function that takes a Content as an argument borrows it until it returns.",
		check: checkBorrowed,
	},
}

func checkExactBytes(k *kit) {
	_, m := k.inbox()
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	var stuffed strings.Builder
	for i := range 3000 {
		fmt.Fprintf(&stuffed, "%d\n.\r\n..\r%s", i, all)
	}
	for i, s := range []string{
		"", "\r\n", "\n", "\r", "\x00", ".", ".\r\n", "a", "a: b", "Subject: x\r\n\r\nbare\nLF and\rCR and \x00 NUL\r\n",
		string(all), "\xff\xfe", "A: \xe4\r\n\r\n\xe4\r\n", stuffed.String(), stuffed.String() + "x", text(1),
	} {
		placed, err := m.Append(k.ctx, []store.NewMessage{{Content: postrider.String(s)}})
		k.must(err)
		delivered, err := k.s.Deliver(k.ctx, postrider.String(s), []store.Target{{Account: "ann"}})
		k.must(err)
		for _, uid := range []store.UID{placed[0].UID, delivered[0].UID} {
			if got := k.content(m, uid); got != s {
				k.broken("message %d: put in %.60q (%d octets), got back %.60q (%d octets)", i, s, len(s), got, len(got))
			}
			if got := k.one(m, uid).Size; got != int64(len(s)) {
				k.broken("message %d: the size is %d, want %d", i, got, len(s))
			}
		}
	}
}

// pattern is a content of a given size that takes no memory. Each octet tells its
// place.
type pattern struct {
	size   int64
	closed atomic.Bool
}

// at returns the octet of an offset: a line of 64, with the offset's digits in it.
func (p *pattern) at(off int64) byte {
	switch col := off % 64; col {
	case 62:
		return '\r'
	case 63:
		return '\n'
	default:
		return 'a' + byte((off/64>>(col%24)+col)%26)
	}
}

func (p *pattern) Size() int64 { return p.size }

func (p *pattern) Close() error {
	p.closed.Store(true)
	return nil
}

func (p *pattern) ReadAt(b []byte, off int64) (int, error) {
	n := int(max(0, min(int64(len(b)), p.size-off)))
	for i := range n {
		b[i] = p.at(off + int64(i))
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

func checkLarge(k *kit) {
	_, m := k.inbox()
	want := &pattern{size: 5<<20 + 17}
	placed, err := m.Append(k.ctx, []store.NewMessage{{Content: want}})
	k.must(err)
	got, err := m.Content(k.ctx, placed[0].UID)
	k.must(err)
	defer got.Close()
	if got.Size() != want.size {
		k.broken("the size is %d, want %d", got.Size(), want.size)
	}
	compare := func(off int64, n int) error {
		a, b := make([]byte, n), make([]byte, n)
		na, errA := got.ReadAt(a, off)
		nb, errB := want.ReadAt(b, off)
		if na != nb || !bytes.Equal(a[:na], b[:nb]) || (errA == nil) != (errB == nil) || errB == io.EOF && errA != io.EOF {
			return fmt.Errorf("%d octets from %d: got %d, %v, want %d, %v", n, off, na, errA, nb, errB)
		}
		return nil
	}
	for off := int64(0); off < want.size; off += 1 << 20 {
		k.mustRead(compare(off, 1<<20))
	}
	errs := make(chan error)
	const readers = 4
	for r := range readers {
		go func() {
			var err error
			for i := range int64(50) {
				if err == nil {
					err = compare((i*7919+int64(r)*104729)*31%(want.size+100), 1000)
				}
			}
			errs <- err
		}()
	}
	for range readers {
		if e := <-errs; e != nil {
			err = e
		}
	}
	k.mustRead(err)
	k.mustRead(compare(want.size, 1))
	k.mustRead(compare(want.size-1, 2))
	k.mustRead(compare(0, 0))
}

func (k *kit) mustRead(err error) {
	k.Helper()
	if err != nil {
		k.broken("%v", err)
	}
}

func checkContentAfterExpunge(k *kit) {
	a, m := k.inbox("x")
	x := k.open(a, "x")
	for _, size := range []int64{1000, 1 << 20} {
		for _, from := range []store.Mailbox{m, x} {
			want := &pattern{size: size}
			placed, err := from.Append(k.ctx, []store.NewMessage{{Content: want}})
			k.must(err)
			c, err := from.Content(k.ctx, placed[0].UID)
			k.must(err)
			k.must(second(from.Expunge(k.ctx, store.AllUIDs())))
			if from == x {
				k.must(a.Delete(k.ctx, "x"))
			}
			b, err := postrider.ReadAll(c)
			if err != nil || int64(len(b)) != size || b[size-1] != want.at(size-1) || b[size/2] != want.at(size/2) {
				k.broken("after the message went, read %d of %d octets: %v", len(b), size, err)
			}
			k.must(c.Close())
			k.must(c.Close()) // as postrider.Content promises
		}
		k.must(second(a.Create(k.ctx, store.NewMailbox{Name: "x"})))
		x = k.open(a, "x")
	}
}

func checkNoContent(k *kit) {
	_, m := k.inbox()
	k.add(m, 2)
	k.must(second(m.Expunge(k.ctx, store.UIDs(1))))
	for _, uid := range []store.UID{0, 1, 3, 1 << 31} {
		c, err := m.Content(k.ctx, uid)
		k.want(err, store.ErrNotExist, "the content of UID %d", uid)
		if c != nil {
			k.broken("an error and a content")
		}
	}
}

func checkBorrowed(k *kit) {
	_, m := k.inbox()
	for _, size := range []int64{100, 1 << 20} {
		c := &pattern{size: size}
		k.must(second(m.Append(k.ctx, []store.NewMessage{{Content: c}, {Content: c}})))
		k.must(second(k.s.Deliver(k.ctx, c, []store.Target{{Account: "ann"}, {Account: "ann"}})))
		if c.closed.Load() {
			k.broken("a content of %d octets was closed by one who had borrowed it", size)
		}
	}
	// A store that kept the content itself finds it closed.
	c := &closing{Content: postrider.String(text(1))}
	placed, err := m.Append(k.ctx, []store.NewMessage{{Content: c}})
	k.must(err)
	c.closed.Store(true)
	if got := k.content(m, placed[0].UID); got != text(1) {
		k.broken("read %q", got)
	}
}

// closing is a content that cannot be read once it is closed.
type closing struct {
	postrider.Content
	closed atomic.Bool
}

func (c *closing) ReadAt(b []byte, off int64) (int, error) {
	if c.closed.Load() {
		return 0, os.ErrClosed
	}
	return c.Content.ReadAt(b, off)
}
