package imap

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/store"
	"github.com/postrider/postrider/store/memstore"
)

// viewOf returns a mailbox with as many messages, of which those of gone are expunged, and a view of what is left.
func viewOf(tb testing.TB, messages int, gone ...store.UID) *selected {
	tb.Helper()
	ctx := context.Background()
	s := memstore.New()
	tb.Cleanup(func() { s.Close() })
	if err := s.CreateAccount(ctx, "ann"); err != nil {
		tb.Fatal(err)
	}
	a, err := s.Account(ctx, "ann")
	if err != nil {
		tb.Fatal(err)
	}
	m, err := a.Open(ctx, "INBOX")
	if err != nil {
		tb.Fatal(err)
	}
	msgs := make([]store.NewMessage, messages)
	for i := range msgs {
		msgs[i].Content = postrider.String("Subject: " + fmt.Sprint(i+1) + "\r\n\r\nbody\r\n")
	}
	if _, err := m.Append(ctx, msgs); err != nil {
		tb.Fatal(err)
	}
	if _, err := m.Expunge(ctx, store.UIDs(gone...)); err != nil {
		tb.Fatal(err)
	}
	v, err := store.NewView(ctx, a, m)
	if err != nil {
		tb.Fatal(err)
	}
	return &selected{mailbox: m, view: v}
}

var keyNames = [...]string{
	store.KeyAnd: "and", store.KeyOr: "or", store.KeyNot: "not", store.KeyUIDs: "uid", store.KeyFlag: "flag", store.KeyLarger: "larger",
	store.KeySmaller: "smaller", store.KeyBefore: "before", store.KeyOn: "on", store.KeySince: "since", store.KeySentBefore: "sentbefore",
	store.KeySentOn: "senton", store.KeySentSince: "sentsince", store.KeyHeader: "header", store.KeyBody: "body", store.KeyText: "text",
}

// queryString writes a query as nested lists.
func queryString(q store.Query) string {
	words := []string{keyNames[q.Key]}
	for _, arg := range q.Args {
		words = append(words, queryString(arg))
	}
	switch q.Key {
	case store.KeyUIDs:
		words = append(words, q.UIDs.String())
	case store.KeyFlag:
		words = append(words, string(q.Flag))
	case store.KeyLarger, store.KeySmaller:
		words = append(words, fmt.Sprint(q.Size))
	case store.KeyHeader:
		words = append(words, q.Field, fmt.Sprintf("%q", q.Text))
	case store.KeyBody, store.KeyText:
		words = append(words, fmt.Sprintf("%q", q.Text))
	case store.KeyBefore, store.KeyOn, store.KeySince, store.KeySentBefore, store.KeySentOn, store.KeySentSince:
		words = append(words, fmt.Sprintf("%d-%02d-%02d", q.Date.Year, q.Date.Month, q.Date.Day))
	}
	return "(" + strings.Join(words, " ") + ")"
}

// RFC 3501 §6.4.4, §9 search-key. The view has the UIDs 2 to 6 and 8 to 10 as 1 to 8; 9 and 10 are recent.
func TestSearchAsksForKeys(t *testing.T) {
	m := viewOf(t, 10, 1, 7)
	for input, want := range map[string]string{
		"ALL":                              "(and)",
		"all seen":                         "(and (and) (flag \\Seen))",
		"ANSWERED":                         "(flag \\Answered)",
		"DELETED":                          "(flag \\Deleted)",
		"DRAFT":                            "(flag \\Draft)",
		"FLAGGED":                          "(flag \\Flagged)",
		"UNANSWERED":                       "(not (flag \\Answered))",
		"UNDELETED":                        "(not (flag \\Deleted))",
		"UNDRAFT":                          "(not (flag \\Draft))",
		"UNFLAGGED":                        "(not (flag \\Flagged))",
		"UNSEEN":                           "(not (flag \\Seen))",
		"KEYWORD $Forwarded":               "(flag $Forwarded)",
		"UNKEYWORD x":                      "(not (flag x))",
		"NEW":                              "(and (uid 9:10) (not (flag \\Seen)))",
		"OLD":                              "(not (uid 9:10))",
		"RECENT":                           "(uid 9:10)",
		"BCC a":                            "(header BCC \"a\")",
		"CC a":                             "(header CC \"a\")",
		"FROM \"a b\"":                     "(header FROM \"a b\")",
		"TO \"\\\"\\\\\"":                  "(header TO \"\\\"\\\\\")",
		"SUBJECT {3}\na]( ":                "(header SUBJECT \"a](\")",
		"SUBJECT {3}\na b SEEN":            "(and (header SUBJECT \"a b\") (flag \\Seen))",
		"HEADER X-Y \"\"":                  "(header X-Y \"\")",
		"BODY x":                           "(body \"x\")",
		"TEXT x":                           "(text \"x\")",
		"BEFORE 1-Feb-1994":                "(before 1994-02-01)",
		"ON \"01-feb-1994\"":               "(on 1994-02-01)",
		"SINCE 29-Feb-2024":                "(since 2024-02-29)",
		"SENTBEFORE 1-Feb-1994":            "(sentbefore 1994-02-01)",
		"SENTON 1-Feb-1994":                "(senton 1994-02-01)",
		"SENTSINCE 1-Feb-1994":             "(sentsince 1994-02-01)",
		"LARGER 0":                         "(larger 0)",
		"SMALLER 4294967296":               "(smaller 4294967296)",
		"UID 3:*":                          "(uid 3:10)",
		"UID 20":                           "(uid 20)",
		"UID 20:*":                         "(uid 10:20)",
		"1":                                "(uid 2)",
		"1,3:4":                            "(uid 2,4:5)",
		"5:6":                              "(uid 6:8)", // and 7 between them, which is not there
		"*":                                "(uid 10)",
		"*:7":                              "(uid 9:10)",
		"NOT SEEN":                         "(not (flag \\Seen))",
		"NOT NOT 1":                        "(not (not (uid 2)))",
		"OR SEEN DRAFT":                    "(or (flag \\Seen) (flag \\Draft))",
		"OR (1 SEEN) NOT (DRAFT)":          "(or (and (uid 2) (flag \\Seen)) (not (flag \\Draft)))",
		"OR OR SEEN DRAFT DELETED FLAGGED": "(and (or (or (flag \\Seen) (flag \\Draft)) (flag \\Deleted)) (flag \\Flagged))",
		"(SEEN)":                           "(flag \\Seen)",
		"SEEN ":                            "(flag \\Seen)",
		"CHARSET utf-8 TEXT {2}\n\xc3\xa4": "(text \"ä\")",
		"CHARSET \"ISO-8859-1\" SUBJECT {1}\n\xe4":        "(header SUBJECT \"ä\")",
		"charset KOI8-R OR BODY {1}\n\xc1 TEXT {1}\n\xc2": "(or (body \"а\") (text \"б\"))",
		"CHARSET US-ASCII ALL":                            "(and)",
	} {
		s := search{view: m.view, recent: store.UIDs(9, 10)}
		if err := parserAt(t, " "+input).search(&s); err != nil || queryString(s.query) != want || s.returns {
			t.Errorf("SEARCH %q asks for %s, %v; want %s", input, queryString(s.query), err, want)
		}
	}
}

// RFC 4731 §3.1.
func TestSearchSaysWhatToReturn(t *testing.T) {
	type returns struct{ min, max, all, count bool }
	for input, want := range map[string]returns{
		"RETURN () ALL":                       {all: true},
		"return (min) ALL":                    {min: true},
		"RETURN (MIN MAX) CHARSET UTF-8 ALL":  {min: true, max: true},
		"RETURN (MAX ALL COUNT) OR SEEN SEEN": {max: true, all: true, count: true},
		"RETURN (COUNT) UID 1":                {count: true},
	} {
		s := search{view: viewOf(t, 1).view}
		err := parserAt(t, " "+input).search(&s)
		if got := (returns{s.min, s.max, s.all, s.count}); err != nil || !s.returns || got != want {
			t.Errorf("SEARCH %q returns %+v, %v; want %+v", input, got, err, want)
		}
	}
}

func TestSearchKeysThatAreNoneAreBad(t *testing.T) {
	m := viewOf(t, 10, 1, 7)
	for _, input := range []string{
		"", " ", "FOO", "SEEN)", "(SEEN", "()", "( SEEN)", "(SEEN )", "SEEN  DRAFT", "NOT", "NOT ", "OR SEEN", "OR SEEN ", "OR", "FROM", "FROM ", "FROM (a)", "HEADER X", "KEYWORD \\Seen",
		"KEYWORD", "BEFORE", "BEFORE 31-Feb-1994", "BEFORE 1994-02-01", "BEFORE \"1-Feb-1994", "LARGER x", "LARGER -1", "SMALLER 99999999999999999999",
		"UID", "UID x", "UID 0", "0", "1,", "1:", "9", "1:9", "9:*", "4294967295", "1:4294967295", "SEEN:1", "CHARSET UTF-8", "CHARSET UTF-8 ", "RETURN SEEN", "RETURN (MIN)", "RETURN (FOO) ALL", "RETURN (MIN) RETURN (MAX) ALL",
	} {
		s := search{view: m.view}
		var syntax syntaxError
		if err := parserAt(t, " "+input).search(&s); !errors.As(err, &syntax) {
			t.Errorf("SEARCH %q asks for %s, %v; want a syntax error", input, queryString(s.query), err)
		}
	}
	// RFC 3501 §9, seq-number: "*" too, if the mailbox is empty.
	for _, input := range []string{"*", "1:*", "1"} {
		s := search{view: viewOf(t, 0).view}
		var syntax syntaxError
		if err := parserAt(t, " "+input).search(&s); !errors.As(err, &syntax) {
			t.Errorf("SEARCH %q in an empty mailbox: %v; want a syntax error", input, err)
		}
	}
}

// I15.
func TestSearchInAnUnknownCharsetIsRefusedByName(t *testing.T) {
	for _, charset := range []string{"X-NONE", "\"\"", "iso-2022-kr", "replacement"} {
		s := search{view: viewOf(t, 1).view}
		if err := parserAt(t, " CHARSET "+charset+" ALL").search(&s); err != errBadCharset {
			t.Errorf("CHARSET %s: %v, want %v", charset, err, errBadCharset)
		}
	}
}

func TestSearchesAreBounded(t *testing.T) {
	m := viewOf(t, 10)
	for input, ok := range map[string]bool{
		strings.Repeat("SEEN ", store.MaxQueryKeys-2) + "SEEN":                                       true, // and the And of them
		strings.Repeat("SEEN ", store.MaxQueryKeys-1) + "SEEN":                                       false,
		strings.Repeat("NOT ", store.MaxQueryDepth-1) + "SEEN":                                       true,
		strings.Repeat("NOT ", store.MaxQueryDepth) + "SEEN":                                         false,
		strings.Repeat("OR SEEN ", store.MaxQueryDepth-1) + "SEEN":                                   true,
		strings.Repeat("OR SEEN ", store.MaxQueryDepth) + "SEEN":                                     false,
		strings.Repeat("(", store.MaxQueryDepth) + "SEEN" + strings.Repeat(")", store.MaxQueryDepth): true,
		strings.Repeat("(", 10_000) + "SEEN" + strings.Repeat(")", 10_000):                           false,
		strings.Repeat("OR ", 10_000) + "SEEN":                                                       false,
		"TEXT \"" + strings.Repeat("x", store.MaxQueryText) + "\"":                                   true,
		"TEXT \"" + strings.Repeat("x", store.MaxQueryText+1) + "\"":                                 false,
		strings.Repeat("UID 1:*,5,7:9 ", store.MaxQueryKeys-2) + "UID 1":                             true,
	} {
		s := search{view: m.view}
		if err := parserAt(t, " "+input).search(&s); (err == nil) != ok {
			t.Errorf("SEARCH %.30q...: %v", input, err)
		}
	}
}

// What is too much is refused when it is met, not after all of it was kept.
func TestALongSearchIsNotReadToItsEnd(t *testing.T) {
	p := parserAt(t, " "+strings.Repeat("NOT SEEN ", 5000)+"SEEN")
	s := search{view: viewOf(t, 1).view}
	var syntax syntaxError
	if err := p.search(&s); !errors.As(err, &syntax) || len(p.line) < 4000*len("NOT SEEN ") {
		t.Errorf("%v with %d octets left", err, len(p.line))
	}
}

// A set that names most of a mailbox with many gaps is as small as its text.
func TestSearchSetsTakeTheRoomOfTheirText(t *testing.T) {
	var gone []store.UID
	for uid := store.UID(2); uid < 1000; uid += 2 {
		gone = append(gone, uid)
	}
	v := viewOf(t, 1000, gone...).view
	for _, by := range []numbering{bySeq, byUID} {
		uids, err := span(v, store.NumSet{{First: 2, Last: 0}}, by)
		if err != nil || len(uids) != 1 {
			t.Errorf("2:* is %v, %v", uids, err)
		}
		if by == bySeq && !uids.Intersect(v.UIDs()).Contains(3) || uids.Contains(1) {
			t.Errorf("2:* is %v", uids)
		}
	}
}

func FuzzSearch(f *testing.F) {
	for _, seed := range []string{
		" ALL", " OR (1:3 SEEN) NOT HEADER X {3}\na b", " CHARSET UTF-8 TEXT {2}\n\xc3\xa4 UID 1:*", " RETURN (MIN MAX) UNKEYWORD x SINCE 1-Feb-1994", " LARGER 5 SENTON \"3-Mar-2003\"",
	} {
		f.Add(seed)
	}
	m := viewOf(f, 10, 1, 7)
	f.Fuzz(func(t *testing.T, input string) {
		s := search{view: m.view, recent: store.UIDs(9)}
		_, err := fuzzed(t, input, func(p *parser) (any, error) { return nil, p.search(&s) })
		if err != nil {
			return
		}
		if _, err := store.Search(context.Background(), m.mailbox, &s.query); err != nil {
			t.Errorf("%q: %v", input, err)
		}
	})
}

func FuzzSequenceSet(f *testing.F) {
	for _, seed := range []string{"1", "*", "1:*", "*:3,8,2:5", "4294967295:1"} {
		f.Add(seed)
	}
	v := viewOf(f, 10, 1, 7).view
	f.Fuzz(func(t *testing.T, input string) {
		set, err := fuzzed(t, input, (*parser).set)
		if err != nil {
			return
		}
		exact, err := v.Resolve(set)
		wide, wideErr := span(v, set, bySeq)
		if (err == nil) != (wideErr == nil) || wide.Intersect(v.UIDs()).String() != exact.String() {
			t.Errorf("%q is %v, %v and %v, %v", input, exact, err, wide, wideErr)
		}
		wide, err = span(v, set, byUID)
		if exact := v.ResolveUIDs(set); err != nil || wide.Intersect(v.UIDs()).String() != exact.String() {
			t.Errorf("UID %q is %v and %v, %v", input, exact, wide, err)
		}
	})
}
