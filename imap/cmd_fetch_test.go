package imap

import (
	"bytes"
	"context"
	"errors"
	"io"
	"iter"
	"runtime"
	"strings"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/wire"
	"github.com/postrider/postrider/store"
)

// A brokenMailbox hands out contents of its own.
type brokenMailbox struct {
	store.Mailbox
	content func(store.UID, postrider.Content) (postrider.Content, error)
	closed  int
}

func (m *brokenMailbox) Content(ctx context.Context, uid store.UID) (postrider.Content, error) {
	c, err := m.Mailbox.Content(ctx, uid)
	if err != nil {
		return nil, err
	}
	if c, err = m.content(uid, c); err != nil {
		return nil, err
	}
	return closing{c, &m.closed}, nil
}

// closing counts calls of Close.
type closing struct {
	postrider.Content
	closed *int
}

func (c closing) Close() error {
	*c.closed++
	return c.Content.Close()
}

// brokenContent fails from an offset on.
type brokenContent struct {
	postrider.Content
	from int64
}

func (c brokenContent) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > c.from {
		return 0, errFake
	}
	return c.Content.ReadAt(p, off)
}

// fetchFrom runs a FETCH and returns what the client gets.
func fetchFrom(tb testing.TB, content func(store.UID, postrider.Content) (postrider.Content, error), size int, arguments string) (string, error) {
	tb.Helper()
	b := newBench(tb, 3, 0, func(int) postrider.Content {
		return postrider.String("Subject: x\r\n\r\n" + strings.Repeat("x", size-14))
	})
	var out bytes.Buffer
	b.out = wire.NewWriter(&out)
	m := &brokenMailbox{Mailbox: b.selected.mailbox, content: content}
	b.selected.mailbox = m
	opened := 0
	m.content = func(uid store.UID, c postrider.Content) (postrider.Content, error) {
		c, err := content(uid, c)
		if err == nil {
			opened++
		}
		return c, err
	}
	b.line.Reset([]byte(" " + arguments + "\r\n"))
	if err := b.p.begin(); err != nil {
		tb.Fatal(err)
	}
	err := b.session.fetch()
	b.out.Flush()
	if m.closed != opened {
		tb.Errorf("%d contents were opened, %d closed", opened, m.closed)
	}
	return out.String(), err
}

func TestAMessageThatIsExpungedWhileItIsFetchedIsPassedOver(t *testing.T) {
	out, err := fetchFrom(t, func(uid store.UID, c postrider.Content) (postrider.Content, error) {
		if uid == 2 {
			return nil, store.ErrNotExist
		}
		return c, nil
	}, 16, "1:* (UID BODY.PEEK[TEXT])")
	var r *response
	if !errors.As(err, &r) || r.kind != "OK" || r.code != "EXPUNGEISSUED" {
		t.Errorf("the reply is %v", err)
	}
	if want := "* 1 FETCH (UID 1 BODY[TEXT] {2}\r\nxx)\r\n* 3 FETCH (UID 3 BODY[TEXT] {2}\r\nxx)\r\n"; out != want {
		t.Errorf("%q, want %q", out, want)
	}
}

func TestAnErrorBeforeALiteralIsARefusal(t *testing.T) {
	for name, content := range map[string]func(store.UID, postrider.Content) (postrider.Content, error){
		"no file":       func(store.UID, postrider.Content) (postrider.Content, error) { return nil, errFake },
		"unreadable":    func(_ store.UID, c postrider.Content) (postrider.Content, error) { return brokenContent{c, 0}, nil },
		"another size":  func(store.UID, postrider.Content) (postrider.Content, error) { return postrider.String("x"), nil },
		"late in chunk": func(_ store.UID, c postrider.Content) (postrider.Content, error) { return brokenContent{c, 99}, nil },
	} {
		for _, item := range []string{"BODY.PEEK[]", "BODY.PEEK[HEADER.FIELDS (Subject)]", "BODY.PEEK[TEXT]"} {
			if name == "late in chunk" && strings.Contains(item, "HEADER") {
				continue
			}
			out, err := fetchFrom(t, content, 100, "1 "+item)
			var fatal *connError
			if out != "" || err == nil || errors.As(err, &fatal) {
				t.Errorf("%s, %s: %q, %v", name, item, out, err)
			}
			if name == "another size" && !errors.Is(err, store.ErrCorrupt) {
				t.Errorf("%s, %s: %v", name, item, err)
			}
		}
	}
}

func TestAnErrorInTheMidstOfALiteralEndsTheSession(t *testing.T) {
	late := func(_ store.UID, c postrider.Content) (postrider.Content, error) {
		return brokenContent{c, 2 * chunkSize}, nil
	}
	for _, arguments := range []string{"1 BODY.PEEK[]", "1 (BODY.PEEK[]<0.10> BODY.PEEK[]<70000.10>)"} {
		out, err := fetchFrom(t, late, 3*chunkSize, arguments)
		var fatal *connError
		if !errors.As(err, &fatal) || !errors.Is(err, errFake) || strings.HasSuffix(out, ")\r\n") {
			t.Errorf("FETCH %s: %v after %d octets", arguments, err, len(out))
		}
	}
}

func TestALostConnectionEndsAFetch(t *testing.T) {
	b := newBench(t, 3, 0, func(int) postrider.Content { return postrider.String(strings.Repeat("x", 10*chunkSize)) })
	b.out = wire.NewWriter(brokenWriter{})
	for _, arguments := range []string{"1:* BODY.PEEK[]", "1:* (BODY.PEEK[]<0.40000>)"} {
		b.line.Reset([]byte(" " + arguments + "\r\n"))
		if err := b.p.begin(); err != nil {
			t.Fatal(err)
		}
		var fatal *connError
		if err := b.session.fetch(); !errors.As(err, &fatal) {
			t.Errorf("FETCH %s: %v", arguments, err)
		}
	}
}

type brokenWriter struct{}

func (brokenWriter) Write([]byte) (int, error) { return 0, io.ErrClosedPipe }

// To a Scan, nil UIDs are all messages.
func TestFlagsOfMessagesThatAreGoneAreNotTold(t *testing.T) {
	b := newBench(t, 3, 2, shortMessage)
	b.selected.untold, b.selected.keywords = store.UIDs(2), 1
	var out bytes.Buffer
	b.out = wire.NewWriter(&out)
	if err := b.session.tellFlags(); err != nil || b.out.Buffered() > 0 || !b.selected.untold.IsEmpty() {
		b.out.Flush()
		t.Errorf("%q, %v", out.String(), err)
	}
}

// A zeroContent is a large message that is nowhere in memory.
type zeroContent struct{ size int64 }

func (c zeroContent) Size() int64  { return c.size }
func (c zeroContent) Close() error { return nil }

func (c zeroContent) ReadAt(p []byte, off int64) (int, error) {
	n := int(min(int64(len(p)), max(c.size-off, 0)))
	for i := range p[:n] {
		p[i] = 'x'
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// largeMailbox has one message of 100 MiB.
type largeMailbox struct{ store.Mailbox }

const largeSize = 100 << 20

func (m largeMailbox) Content(context.Context, store.UID) (postrider.Content, error) {
	return zeroContent{largeSize}, nil
}

func (m largeMailbox) Scan(ctx context.Context, q store.ScanQuery) iter.Seq2[store.Message, error] {
	return func(yield func(store.Message, error) bool) {
		for msg, err := range m.Mailbox.Scan(ctx, q) {
			msg.Size = largeSize
			if !yield(msg, err) {
				return
			}
		}
	}
}

func TestAFetchOf100MiBTakesLittleMemory(t *testing.T) {
	b := newBench(t, 1, 0, shortMessage)
	b.selected.mailbox = largeMailbox{b.selected.mailbox}
	var count counter
	b.out = wire.NewWriter(&count)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	b.run(t, (*session).fetch, "1 BODY.PEEK[]")
	runtime.ReadMemStats(&after)
	if count < largeSize {
		t.Fatalf("%d octets were sent", count)
	}
	if took := after.TotalAlloc - before.TotalAlloc; took > 1<<20 {
		t.Errorf("%d octets were allocated", took)
	}
}

// counter counts octets.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}
