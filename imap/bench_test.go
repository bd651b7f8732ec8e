package imap

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/wire"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

// A bench is a session that has selected a mailbox and writes to nobody.
type bench struct {
	*session
	line *bytes.Reader
}

// newBench returns a session on a mailbox of n messages with that content, of which every gap-th is expunged.
func newBench(tb testing.TB, n, gap int, content func(i int) postrider.Content) *bench {
	tb.Helper()
	ctx := context.Background()
	st := memstore.New()
	tb.Cleanup(func() { st.Close() })
	a, err := store.OpenAccount(ctx, st, "ann")
	if err != nil {
		tb.Fatal(err)
	}
	m, err := a.Open(ctx, "INBOX")
	if err != nil {
		tb.Fatal(err)
	}
	msgs := make([]store.NewMessage, n)
	for i := range msgs {
		msgs[i].Content = content(i)
		if i%3 == 0 {
			msgs[i].Flags = []store.Flag{store.FlagSeen, "$Forwarded"}
		}
	}
	if _, err := m.Append(ctx, msgs); err != nil {
		tb.Fatal(err)
	}
	if gap > 0 {
		var gone store.UIDSet
		for uid := gap; uid <= n; uid += gap {
			gone.Add(store.UID(uid))
		}
		if _, err := m.Expunge(ctx, gone); err != nil {
			tb.Fatal(err)
		}
	}
	v, err := store.NewView(ctx, a, m)
	if err != nil {
		tb.Fatal(err)
	}
	b := &bench{session: &session{ctx: ctx, account: a, tag: "a"}, line: bytes.NewReader(nil)}
	b.out = wire.NewWriter(io.Discard)
	b.selected = &selected{mailbox: m, view: v, recent: store.UIDs(store.UID(n))}
	b.p = parser{r: wire.NewReader(b.line), maxLine: 64 << 10, maxLiterals: 64 << 10, goAhead: b.out.Flush}
	return b
}

// run runs a command with arguments.
func (b *bench) run(tb testing.TB, command func(*session) error, arguments string) {
	b.line.Reset([]byte(" " + arguments + "\r\n"))
	if err := b.p.begin(); err != nil {
		tb.Fatal(err)
	}
	if err := command(b.session); err != nil {
		tb.Fatal(err)
	}
	b.out.Flush()
}

func shortMessage(i int) postrider.Content {
	return postrider.String(fmt.Sprintf("From: Ann %d <ann@example.org>\r\nTo: Bob <bob@example.net>, \"C, D\" <c@example.net>\r\nSubject: number %d of many\r\n"+
		"Date: Thu, 1 Jan 2026 00:00:00 +0000\r\nMessage-ID: <%d@example.org>\r\n\r\nhello\r\n", i, i, i))
}

// perMessage reports the rate of messages.
func perMessage(b *testing.B, n int) {
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "messages/s")
}

func BenchmarkFetch(b *testing.B) {
	for _, mailbox := range []struct {
		name   string
		n, gap int
	}{{"10k", 10_000, 0}, {"100k", 100_000, 0}, {"100k-with-gaps", 100_000, 3}} {
		s := newBench(b, mailbox.n, mailbox.gap, shortMessage)
		for _, items := range []string{"(FLAGS)", "(UID FLAGS INTERNALDATE RFC822.SIZE)", "ENVELOPE", "BODYSTRUCTURE"} {
			b.Run(mailbox.name+"/"+items, func(b *testing.B) {
				b.ReportAllocs()
				for b.Loop() {
					s.run(b, (*session).fetch, "1:* "+items)
				}
				perMessage(b, s.selected.view.Len())
			})
		}
	}
}

func BenchmarkFetchBodies(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20} {
		n := min(10_000, 64<<20/size)
		body := strings.Repeat(strings.Repeat("x", 70)+"\r\n", size/72)
		s := newBench(b, n, 0, func(int) postrider.Content { return postrider.String("Subject: x\r\n\r\n" + body) })
		for _, item := range []string{"BODY.PEEK[]", "BODY.PEEK[TEXT]", "BODY.PEEK[HEADER.FIELDS (SUBJECT)]"} {
			b.Run(fmt.Sprintf("%dKiB/%s", size>>10, item), func(b *testing.B) {
				b.ReportAllocs()
				if !strings.Contains(item, "HEADER") {
					b.SetBytes(int64(n * len(body)))
				}
				for b.Loop() {
					s.run(b, (*session).fetch, "1:* "+item)
				}
				perMessage(b, n)
			})
		}
	}
}

func BenchmarkSearch(b *testing.B) {
	s := newBench(b, 100_000, 0, shortMessage)
	for _, keys := range []string{"UNSEEN", "RETURN (COUNT) KEYWORD $Forwarded", "SUBJECT \"number 777\""} {
		b.Run(keys, func(b *testing.B) {
			for b.Loop() {
				s.run(b, (*session).search, keys)
			}
		})
	}
}

func BenchmarkStore(b *testing.B) {
	s := newBench(b, 100_000, 0, shortMessage)
	for _, silent := range []string{"", ".SILENT"} {
		b.Run("FLAGS"+silent, func(b *testing.B) {
			for b.Loop() {
				s.run(b, (*session).store, "1:* +FLAGS"+silent+" (\\Flagged)")
				s.run(b, (*session).store, "1:* -FLAGS"+silent+" (\\Flagged)")
			}
		})
	}
}
