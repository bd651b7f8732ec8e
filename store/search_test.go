package store_test

import (
	"bytes"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"iter"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/message"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

// watched counts what a search looks at.
type watched struct {
	store.Mailbox
	summaries int // scans with FieldSummary
	contents  int
	read      atomic.Int64 // octets
}

func (w *watched) Scan(ctx context.Context, q store.ScanQuery) iter.Seq2[store.Message, error] {
	if q.Fields&store.FieldSummary != 0 {
		w.summaries++
	}
	return w.Mailbox.Scan(ctx, q)
}

func (w *watched) Content(ctx context.Context, uid store.UID) (postrider.Content, error) {
	w.contents++
	c, err := w.Mailbox.Content(ctx, uid)
	return &watchedContent{c, w}, err
}

type watchedContent struct {
	postrider.Content
	w *watched
}

func (c *watchedContent) ReadAt(b []byte, off int64) (int, error) {
	n, err := c.Content.ReadAt(b, off)
	c.w.read.Add(int64(n))
	return n, err
}

// letters are the messages that most tests search.
var letters = []store.NewMessage{
	{ // UID 1
		Content: postrider.String("From: \"Smith, Ann\" <ann@example.org>\r\nTo: Bob <bob@example.net>, carl@example.com\r\n" +
			"Cc: =?utf-8?q?J=C3=B6rg?= <joerg@example.de>\r\nBcc: secret@example.org\r\n" +
			"Subject: =?utf-8?b?R3LDvMOfZSBhdXM=?= =?iso-8859-1?q?_K=F6ln?=\r\nDate: Tue, 27 Feb 2024 23:30:00 -0800\r\n" +
			"Message-ID: <one@example.org>\r\nX-Tag: first\r\nX-Tag: second\r\n\r\nHello Bob,\r\nthe ROUND table is here.\r\n"),
		Flags:        []store.Flag{store.FlagSeen, "$Work"},
		InternalDate: time.Date(2024, 2, 28, 23, 59, 0, 0, time.FixedZone("", 2*3600)),
	}, { // UID 2
		Content: postrider.String("From: list@example.org\r\nTo: friends: ann@example.org, Bob <bob@example.net>;\r\nSubject: attachment\r\n" +
			"Date: 1 Mar 2024 00:10 +0100\r\nIn-Reply-To: <one@example.org>\r\nMIME-Version: 1.0\r\n" +
			"Content-Type: multipart/mixed; boundary=x\r\n\r\npreamble\r\n" +
			"--x\r\nContent-Type: text/plain; charset=koi8-r\r\nContent-Transfer-Encoding: base64\r\n\r\n" +
			base64.StdEncoding.EncodeToString([]byte("\xf0\xd2\xc9\xd7\xc5\xd4 world\r\n")) + "\r\n" +
			"--x\r\nContent-Type: application/octet-stream; name=\"needle.bin\"\r\n\r\nhaystack\r\n" +
			"--x\r\nContent-Type: message/rfc822\r\n\r\nFrom: inner@example.org\r\nSubject: =?utf-8?q?inner_=C3=84pfel?=\r\n\r\ninner b=6Fdy\r\n" +
			"--x\r\nContent-Type: text/html\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n<p>quo=\r\nted &amp; pr=69nted</p>\r\n--x--\r\n"),
		Flags:        []store.Flag{store.FlagFlagged},
		InternalDate: time.Date(2024, 3, 1, 0, 1, 0, 0, time.FixedZone("", 3600)),
	}, { // UID 3
		Content:      postrider.String("Subject:\r\n\r\n"),
		Flags:        []store.Flag{store.FlagDeleted, store.FlagSeen},
		InternalDate: time.Date(2024, 3, 1, 23, 0, 0, 0, time.UTC),
	}, { // UID 4
		Content:      postrider.String("no field\r\n\r\njust t\xe4xt"),
		InternalDate: time.Date(2023, 12, 31, 0, 0, 0, 0, time.UTC),
	},
}

func openLetters(t testing.TB) *watched {
	t.Helper()
	_, m := open(t, memstore.New(), 0)
	if _, err := m.Append(context.Background(), letters); err != nil {
		t.Fatal(err)
	}
	return &watched{Mailbox: m}
}

func header(field, text string) store.Query {
	return store.Query{Key: store.KeyHeader, Field: field, Text: text}
}
func body(text string) store.Query { return store.Query{Key: store.KeyBody, Text: text} }
func text(text string) store.Query { return store.Query{Key: store.KeyText, Text: text} }
func has(f store.Flag) store.Query { return store.Query{Key: store.KeyFlag, Flag: f} }
func in(uids ...store.UID) store.Query {
	return store.Query{Key: store.KeyUIDs, UIDs: store.UIDs(uids...)}
}
func size(k store.Key, n int64) store.Query { return store.Query{Key: k, Size: n} }
func on(k store.Key, y int, m time.Month, d int) store.Query {
	return store.Query{Key: k, Date: store.Date{Year: y, Month: m, Day: d}}
}

func find(t testing.TB, m store.Mailbox, q store.Query) string {
	t.Helper()
	uids, err := store.Search(context.Background(), m, &q)
	if err != nil {
		t.Fatal(err)
	}
	return uids.String()
}

// I15, RFC 9051 §6.4.4: each key.
func TestSearchKeys(t *testing.T) {
	m := openLetters(t)
	size1 := letters[0].Content.Size()
	for _, test := range []struct {
		name string
		q    store.Query
		want string
	}{
		{"ALL", store.Query{}, "1:4"},
		{"SEEN", has(store.FlagSeen), "1,3"},
		{"NOT SEEN", store.Not(has(store.FlagSeen)), "2,4"},
		{"KEYWORD in another case", has("$WORK"), "1"},
		{"KEYWORD that is none", has("$None"), ""},
		{"UID", in(2, 4, 9), "2,4"},
		{"nothing", store.Or(), ""},
		{"an empty set", in(), ""},
		{"LARGER", size(store.KeyLarger, size1), "2"},
		{"LARGER by one", size(store.KeyLarger, size1-1), "1:2"},
		{"SMALLER", size(store.KeySmaller, size1), "3:4"},
		{"SMALLER by one", size(store.KeySmaller, size1+1), "1,3:4"},

		// Time and zone are ignored: the day is the one that is written.
		{"ON", on(store.KeyOn, 2024, 2, 28), "1"},
		{"ON, another zone", on(store.KeyOn, 2024, 3, 1), "2:3"},
		{"BEFORE", on(store.KeyBefore, 2024, 3, 1), "1,4"},
		{"BEFORE, first day", on(store.KeyBefore, 2023, 12, 31), ""},
		{"SINCE", on(store.KeySince, 2024, 3, 1), "2:3"},
		{"SINCE, last year", on(store.KeySince, 2023, 12, 31), "1:4"},
		{"SENTON", on(store.KeySentOn, 2024, 2, 27), "1"},
		{"SENTON, not in UTC", on(store.KeySentOn, 2024, 2, 28), ""},
		{"SENTBEFORE", on(store.KeySentBefore, 2024, 3, 1), "1"},
		{"SENTSINCE", on(store.KeySentSince, 2024, 2, 27), "1:2"},
		{"NOT SENTSINCE has what has no date", store.Not(on(store.KeySentSince, 1900, 1, 1)), "3:4"},

		{"FROM", header("From", "example.org"), "1:2"},
		{"FROM, the name with its comma", header("From", "smith, ann"), "1"},
		{"FROM, with brackets", header("from", "<ANN@EXAMPLE.ORG>"), "1"},
		{"TO", header("To", "BOB@"), "1:2"},
		{"TO, second address", header("To", "carl"), "1"},
		{"TO, group", header("TO", "friends: "), "2"},
		{"CC, encoded", header("Cc", "jörg"), "1"},
		{"CC, decomposed", header("Cc", "JO\u0308RG"), "1"},
		{"BCC", header("Bcc", "secret"), "1"},
		{"SUBJECT over two encoded-words", header("Subject", "GRÜßE AUS KÖLN"), "1"},
		{"SUBJECT undecoded", header("Subject", "R3LDv"), ""},
		{"HEADER Message-ID", header("message-id", "<one@"), "1"},
		{"HEADER In-Reply-To", header("In-Reply-To", "one@example.org"), "2"},
		{"HEADER, second of the name", header("x-tag", "SECOND"), "1"},
		{"HEADER, not across fields", header("X-Tag", "first\r\nX"), ""},
		{"HEADER that is there", header("X-Tag", ""), "1"},
		{"HEADER that is there and empty", header("Subject", ""), "1:3"},
		{"HEADER Date", header("Date", "-0800"), "1"},
		{"HEADER of a part only", header("Content-Type", "needle.bin"), ""},
		{"HEADER without a name", header("", "no field"), ""},

		{"BODY", body("round TABLE"), "1"},
		{"BODY is not the header", body("secret"), ""},
		{"BODY, base64 and charset", body("ПРИВЕТ world"), "2"},
		{"BODY, quoted-printable", body("quoted &amp; printed"), "2"},
		{"BODY, no text", body("haystack"), ""},
		{"BODY, not a part's header", body("needle.bin"), ""},
		{"BODY, header of an enclosed message", body("inner äpfel"), "2"},
		{"BODY, body of an enclosed message", body("b=6fdy"), "2"},
		{"BODY, undeclared 8-bit", body("täxt"), "4"},
		{"BODY of nothing", body(""), "1:4"},
		{"TEXT in the header", text("secret"), "1"},
		{"TEXT with the field's name", text("x-tag: first"), "1"},
		{"TEXT in a part's header", text("NEEDLE.BIN"), "2"},
		{"TEXT in the body", text("Привет"), "2"},
		{"TEXT in an enclosed header", text("inner@example.org"), "2"},
		{"TEXT in a line that is no field", text("no field"), "4"},
		{"TEXT nowhere", text("absent"), ""},
		{"TEXT of nothing", text(""), "1:4"},
		{"NOT BODY", store.Not(body("round")), "2:4"},

		{"all of", store.And(has(store.FlagSeen), body("round"), header("To", "bob")), "1"},
		{"one of", store.Or(has(store.FlagDeleted), text("needle")), "2:3"},
		{"not one of", store.Not(store.Or(has(store.FlagDeleted), text("needle"), header("x-tag", "first"))), "4"},
		{"within UIDs", store.And(in(2, 3), store.Or(in(1, 2), in(3))), "2:3"},
		{"within no UIDs", store.And(in(2), in(3), body("x")), ""},
		{"same text twice", store.And(text("bob"), body("bob")), "1"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if got := find(t, m, test.q); got != test.want {
				t.Errorf("found %q, want %q", got, test.want)
			}
		})
	}
}

func TestSearchReadsNoMoreThanItMust(t *testing.T) {
	for _, test := range []struct {
		name                string
		q                   store.Query
		summaries, contents int
	}{
		{"flags", store.And(has(store.FlagSeen), size(store.KeyLarger, 3)), 0, 0},
		{"flags decide", store.And(body("x"), store.Query{Key: store.KeyFlag, Flag: "$None"}), 0, 0},
		{"flags decide the other way", store.Or(body("x"), store.Not(has("$None"))), 0, 0},
		{"flags leave one open", store.And(text("absent"), has("$Work")), 1, 1},
		{"summary", store.And(header("Subject", "aus"), on(store.KeySentSince, 2020, 1, 1)), 1, 0},
		{"summary decides", store.And(text("absent"), header("Subject", "aus")), 1, 1},
		{"UIDs", store.And(in(3), text("absent")), 1, 1},
		{"one content for many keys", store.And(body("e"), store.Not(body("absent")), text("e"), header("X-Tag", "second"), in(1)), 1, 1},
	} {
		t.Run(test.name, func(t *testing.T) {
			m := openLetters(t)
			find(t, m, test.q)
			if m.summaries != test.summaries || m.contents != test.contents {
				t.Errorf("%d scans with summaries and %d contents, want %d and %d", m.summaries, m.contents, test.summaries, test.contents)
			}
		})
	}
}

func TestSearchReadsHeadersWithoutBodies(t *testing.T) {
	_, inner := open(t, memstore.New(), 0)
	m := &watched{Mailbox: inner}
	large := "Subject: x\r\nX-Tag: y\r\n\r\n" + strings.Repeat("line\r\n", 1<<17)
	if _, err := m.Append(context.Background(), []store.NewMessage{{Content: postrider.String(large)}}); err != nil {
		t.Fatal(err)
	}
	for _, q := range []store.Query{header("X-Tag", "y"), store.And(header("X-Tag", "z"), body("line")), text("x-tag: y")} {
		find(t, m, q)
	}
	if n := m.read.Load(); n > 200 {
		t.Errorf("read %d octets, the headers have but 25", n)
	}
	find(t, m, body("line"))
	if n := m.read.Load(); n > 200<<10 {
		t.Errorf("read %d octets of a body that begins with what was looked for", n)
	}
}

// huge is a message of 100 MiB that takes no memory, with a word at its end.
type huge struct{ size int64 }

const (
	hugeHead = "Subject: huge\r\nContent-Type: text/plain; charset=utf-8\r\n\r\n"
	hugeLine = "lorem ipsum dolor sit amet, consectetur adipiscing elit, sed do\r\n"
	hugeTail = "THE \xc3\x84ND"
)

func (h huge) Size() int64  { return h.size }
func (h huge) Close() error { return nil }

func (h huge) ReadAt(b []byte, off int64) (int, error) {
	n := int(min(int64(len(b)), h.size-off))
	for i := 0; i < n; {
		i += copy(b[i:n], hugeLine[(off+int64(i))%int64(len(hugeLine)):])
	}
	if off < int64(len(hugeHead)) {
		copy(b[:n], hugeHead[off:])
	}
	if tail := h.size - int64(len(hugeTail)); off+int64(n) > tail {
		copy(b[max(0, tail-off):n], hugeTail[max(0, off-tail):])
	}
	if n < len(b) {
		return n, io.EOF
	}
	return n, nil
}

// one is a mailbox with one message.
type one struct {
	store.Mailbox
	content postrider.Content
	summary *message.Summary
}

func (o *one) Scan(context.Context, store.ScanQuery) iter.Seq2[store.Message, error] {
	return func(yield func(store.Message, error) bool) {
		yield(store.Message{UID: 1, Size: o.content.Size(), Summary: o.summary}, nil)
	}
}

func (o *one) Content(context.Context, store.UID) (postrider.Content, error) { return o.content, nil }

func newOne(t testing.TB, c postrider.Content) *one {
	sum, err := message.Summarize(c, c.Size())
	if err != nil {
		t.Fatal(err)
	}
	return &one{content: c, summary: sum}
}

func TestSearchOfAHugeBodyTakesLittleMemory(t *testing.T) {
	n := int64(100 << 20)
	if testing.Short() {
		n = 10 << 20
	}
	m := newOne(t, huge{n})
	before := totalAlloc()
	if got := find(t, m, store.And(body("the änd"), store.Not(body("absent")), text("elit, sed"))); got != "1" {
		t.Errorf("found %q", got)
	}
	if used := totalAlloc() - before; used > 2<<20 {
		t.Errorf("searching %d MiB allocated %d KiB", n>>20, used>>10)
	}
}

func TestSearchIsStoppedInTheMiddleOfABody(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	m := newOne(t, huge{1 << 20})
	m.content = &cancelling{huge{1 << 40}, cancel}
	m.summary.Structure.End = 1 << 40
	q := body("absent")
	if _, err := store.Search(ctx, m, &q); !errors.Is(err, context.Canceled) {
		t.Errorf("got %v", err)
	}
}

// cancelling is a content that cancels when it is read.
type cancelling struct {
	huge
	cancel func()
}

func (c *cancelling) ReadAt(b []byte, off int64) (int, error) {
	c.cancel()
	return c.huge.ReadAt(b, off)
}

func TestSearchErrorsAreReturned(t *testing.T) {
	m := newOne(t, postrider.String("X: y\r\n\r\nabc"))
	m.content = burning{m.content}
	for _, q := range []store.Query{body("x"), text("z"), header("X", "x"), store.Not(body("x"))} {
		if _, err := store.Search(context.Background(), m, &q); !errors.Is(err, errBurning) {
			t.Errorf("%+v: got %v", q, err)
		}
	}
}

var errBurning = errors.New("the disk is on fire")

// burning is a content that cannot be read.
type burning struct{ postrider.Content }

func (burning) ReadAt([]byte, int64) (int, error) { return 0, errBurning }

func TestSearchPassesOverWhatVanishes(t *testing.T) {
	m := openLetters(t)
	gone := &vanishing{Mailbox: m}
	if got := find(t, gone, store.Not(body("absent"))); got != "1,4" {
		t.Errorf("found %q", got)
	}
}

// vanishing has lost the contents of 2 and 3 when it is asked.
type vanishing struct{ store.Mailbox }

func (v *vanishing) Content(ctx context.Context, uid store.UID) (postrider.Content, error) {
	if uid == 2 || uid == 3 {
		return nil, &store.Error{Op: "read", Err: store.ErrNotExist}
	}
	return v.Mailbox.Content(ctx, uid)
}

func TestSearchAsksASearcher(t *testing.T) {
	m := openLetters(t)
	q := has(store.FlagSeen)
	s := &searcher{Mailbox: m, uids: store.UIDs(42)}
	if got := find(t, &wrapper{s}, q); got != "42" {
		t.Errorf("found %q, want what the Searcher says", got)
	}
	s.err = fmt.Errorf("too hard: %w", errors.ErrUnsupported)
	if got := find(t, s, q); got != "1,3" {
		t.Errorf("found %q by scanning", got)
	}
	s.err = store.ErrCorrupt
	if _, err := store.Search(context.Background(), s, &q); !errors.Is(err, store.ErrCorrupt) {
		t.Errorf("got %v", err)
	}
}

type searcher struct {
	store.Mailbox
	uids store.UIDSet
	err  error
}

func (s *searcher) Search(context.Context, *store.Query) (store.UIDSet, error) { return s.uids, s.err }

type wrapper struct{ store.Mailbox }

func (w *wrapper) Unwrap() store.Mailbox { return w.Mailbox }

func TestQueriesAreBounded(t *testing.T) {
	nested := func(depth int) store.Query {
		q := has(store.FlagSeen)
		for range depth - 1 {
			q = store.Not(q)
		}
		return q
	}
	for _, test := range []struct {
		name string
		q    store.Query
		want error
	}{
		{"keys", store.And(slices.Repeat([]store.Query{has(store.FlagSeen)}, store.MaxQueryKeys-1)...), nil},
		{"one key too many", store.Or(slices.Repeat([]store.Query{has(store.FlagSeen)}, store.MaxQueryKeys)...), store.ErrLimit},
		{"depth", nested(store.MaxQueryDepth), nil},
		{"one deeper", nested(store.MaxQueryDepth + 1), store.ErrLimit},
		{"text", header("X", strings.Repeat("x", store.MaxQueryText-1)), nil},
		{"too much text", store.And(body(strings.Repeat("x", store.MaxQueryText)), text("x")), store.ErrLimit},
	} {
		m := openLetters(t)
		if _, err := store.Search(context.Background(), m, &test.q); !errors.Is(err, test.want) {
			t.Errorf("%s: got %v, want %v", test.name, err, test.want)
		}
	}
	for _, q := range []store.Query{
		{Key: -1}, {Key: store.KeyText + 1}, {Key: store.KeyNot}, {Key: store.KeyNot, Args: make([]store.Query, 2)},
		{Key: store.KeyBody, Args: make([]store.Query, 1)},
	} {
		if err := q.Check(); err == nil {
			t.Errorf("%+v is no query", q)
		}
	}
}

// Whatever is cheap and whatever is not: the tree means what logic says.
func TestSearchIsLogic(t *testing.T) {
	m := openLetters(t)
	all := store.RangeOfUIDs(1, 4)
	leaves := []store.Query{
		has(store.FlagSeen), in(1, 4), header("Subject", "a"), header("X-Tag", "f"), body("e"), text("inner"), {}, store.Or(),
	}
	var sets []store.UIDSet
	for _, q := range leaves {
		uids, err := store.Search(context.Background(), m, &q)
		if err != nil {
			t.Fatal(err)
		}
		sets = append(sets, uids)
	}
	rapid.Check(t, func(t *rapid.T) {
		var draw func(depth int) (store.Query, store.UIDSet)
		draw = func(depth int) (store.Query, store.UIDSet) {
			kind := rapid.IntRange(0, 3).Draw(t, "kind")
			if depth == 0 || kind == 0 {
				i := rapid.IntRange(0, len(leaves)-1).Draw(t, "leaf")
				return leaves[i], sets[i]
			}
			q, set := draw(depth - 1)
			if kind == 1 {
				return store.Not(q), all.Subtract(set)
			}
			q2, set2 := draw(depth - 1)
			if kind == 2 {
				return store.And(q, q2), set.Intersect(set2)
			}
			return store.Or(q, q2), set.Union(set2)
		}
		q, want := draw(4)
		got, err := store.Search(context.Background(), m, &q)
		if err != nil || !slices.Equal(got, want) {
			t.Fatalf("%+v: found %s, %v, want %s", q, got, err, want)
		}
	})
}

func FuzzSearchNeverFails(f *testing.F) {
	for _, n := range letters {
		b, err := postrider.ReadAll(n.Content)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b, "round", "subject")
	}
	f.Fuzz(func(t *testing.T, msg []byte, s, field string) {
		if len(s)+len(field) > 1000 {
			return
		}
		m := newOne(t, postrider.Bytes(bytes.Clone(msg)))
		inText, inBody, inHeader := find(t, m, text(s)), find(t, m, body(s)), find(t, m, header(field, s))
		if inBody == "1" && inText != "1" {
			t.Fatalf("%q is in the body, but not in the text", s)
		}
		if not := find(t, m, store.Not(text(s))); (not == "1") == (inText == "1") {
			t.Fatalf("%q is in the text %q, and not %q", s, inText, not)
		}
		if both := find(t, m, store.And(text(s), body(s), header(field, s))); (both == "1") != (inText+inBody+inHeader == "111") {
			t.Fatalf("%q: text %q, body %q, header %q, all %q", s, inText, inBody, inHeader, both)
		}
	})
}

func BenchmarkSearch10k(b *testing.B) {
	_, m := open(b, memstore.New(), 0)
	var msgs []store.NewMessage
	for i := range 10_000 {
		n := store.NewMessage{Content: postrider.String(fmt.Sprintf(
			"From: Person %d <p%d@example.org>\r\nTo: ann@example.org\r\nSubject: message number %d\r\nDate: Tue, 27 Feb 2024 12:00:00 +0000\r\n\r\n%s",
			i, i%100, i, strings.Repeat("The quick brown fox jumps over the lazy dog.\r\n", 80)))}
		if i%10 == 0 {
			n.Flags = []store.Flag{store.FlagFlagged}
		}
		msgs = append(msgs, n)
	}
	if _, err := m.Append(context.Background(), msgs); err != nil {
		b.Fatal(err)
	}
	for _, bench := range []struct {
		name string
		q    store.Query
		want int
	}{
		{"flag", has(store.FlagFlagged), 1000},
		{"subject", header("Subject", "number 77"), 111},
		{"from", header("From", "p77@"), 100},
		{"header", header("X-None", "x"), 0},
		{"body", body("lazy cat"), 0},
		{"text", text("number 9999"), 1},
	} {
		b.Run(bench.name, func(b *testing.B) {
			for b.Loop() {
				uids, err := store.Search(context.Background(), m, &bench.q)
				if err != nil || uids.Len() != bench.want {
					b.Fatal(uids.Len(), err)
				}
			}
		})
	}
}
