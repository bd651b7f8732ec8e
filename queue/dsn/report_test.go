package dsn_test

import (
	"errors"
	"flag"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	gomessage "github.com/emersion/go-message"
	"github.com/postrider/postrider"
	"github.com/postrider/postrider/queue/dsn"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func addr(s string) postrider.Address {
	a, err := postrider.ParseAddress(s)
	if err != nil {
		panic(err)
	}
	return a
}

// newReport is a report on a message that arrived an hour ago.
func newReport() *dsn.Report {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.FixedZone("", 3600))
	return &dsn.Report{
		ID:           "4711",
		ReportingMTA: "mx.example.org",
		To:           addr("ann@example.org"),
		Arrived:      now.Add(-time.Hour),
		Now:          now,
	}
}

const original = "Received: from here\r\nFrom: ann@example.org\r\nSubject: hello\r\n\r\nHow are you?\r\n"

func rcpt(s string) postrider.Recipient { return postrider.Recipient{ForwardPath: addr(s)} }

func TestGolden(t *testing.T) {
	unknown := &postrider.Status{Code: "5.1.1", Reply: 550, Text: "no such user here", Err: errors.New("secret cause")}
	reports := map[string]func(r *dsn.Report) string{
		"failed": func(r *dsn.Report) string {
			r.EnvelopeID = "QQ314159"
			x := rcpt("bob@example.net")
			x.Original = postrider.OriginalRecipient{Type: "rfc822", Address: "Bob@Example.COM", Raw: "rfc822;Bob@Example.COM"}
			r.Add(x, dsn.Failed, unknown, "mx.example.net")
			r.Add(rcpt("eve@example.com"), dsn.Failed, &postrider.Status{Code: "5.4.7", Text: "delivery time expired"}, "")
			return original
		},
		"headers": func(r *dsn.Report) string {
			r.Return = postrider.ReturnHeaders
			r.Add(rcpt("bob@example.net"), dsn.Failed, unknown, "")
			return original
		},
		"delayed": func(r *dsn.Report) string {
			r.RetryUntil = r.Now.AddDate(0, 0, 5)
			r.Add(rcpt("bob@example.net"), dsn.Delayed, &postrider.Status{Code: "4.4.1", Text: "no answer from host"}, "")
			return original
		},
		"success": func(r *dsn.Report) string {
			for local, action := range map[string]dsn.Action{"bob": dsn.Delivered} {
				x := rcpt(local + "@example.net")
				x.Notify = postrider.NotifySuccess
				r.Add(x, action, nil, "")
			}
			x := rcpt("eve@example.com")
			x.Notify = postrider.NotifySuccess
			r.Add(x, dsn.Relayed, &postrider.Status{Code: "2.0.0", Reply: 250, Text: "ok"}, "mx.example.com")
			return original
		},
		"international": func(r *dsn.Report) string {
			r.SMTPUTF8 = true
			r.Add(rcpt("用户@例え.jp"), dsn.Failed, &postrider.Status{Code: "5.1.1", Text: "誰もいません"}, "mx.xn--r8jz45g.jp")
			return strings.ReplaceAll(original, "hello", "こんにちは")
		},
		"ascii": func(r *dsn.Report) string {
			// A recipient in UTF-8 of a message that is not: an alias led there.
			x := rcpt("用户@例え.jp")
			r.Add(x, dsn.Failed, &postrider.Status{Code: "5.6.7", Text: "SMTPUTF8 ist nötig"}, "")
			return original
		},
		"hostile": func(r *dsn.Report) string {
			text := "no\r\n\r\n--report-4711-0\r\nContent-Type: text/html\r\n\r\n<b>" + strings.Repeat("x", 3000)
			r.Add(rcpt("bob@example.net"), dsn.Failed, &postrider.Status{Code: "5.1.1", Text: text}, "mx\r\nX-Bad: yes")
			return original + "\r\n--report-4711-0\r\n\xe4\r\n"
		},
	}
	for name, fill := range reports {
		t.Run(name, func(t *testing.T) {
			r := newReport()
			content, env, err := r.Write(postrider.String(fill(r)))
			if err != nil {
				t.Fatal(err)
			}
			got, err := postrider.ReadAll(content)
			if err != nil {
				t.Fatal(err)
			}
			golden := filepath.Join("testdata", name+".eml")
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != string(want) {
				t.Errorf("report differs from %s:\n%s", golden, got)
			}
			wellFormed(t, string(got), env)
		})
	}
}

// wellFormed holds a report to what every one must keep (Q8, Q9).
func wellFormed(t *testing.T, text string, env *postrider.Envelope) {
	t.Helper()
	if !env.ReversePath.IsNull() || env.Return != "" || env.Recipients[0].Notify != postrider.NotifyNever {
		t.Errorf("a report goes out from the null path, without RET, with NOTIFY=NEVER; got %+v", env)
	}
	for line := range strings.SplitSeq(text, "\r\n") {
		if len(line) > 998 || strings.ContainsAny(line, "\r\n") {
			t.Errorf("bad line of %d octets: %.100q", len(line), line)
		}
		if !env.SMTPUTF8 && env.Body != postrider.Body8BitMIME && strings.ContainsFunc(line, func(r rune) bool { return r > '~' }) {
			t.Errorf("8-bit line in a 7-bit report: %q", line)
		}
	}
	m, err := gomessage.Read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if m.Header.Get("Auto-Submitted") != "auto-replied" {
		t.Error("not marked as an automatic reply (RFC 3834 §5)")
	}
	kind, params, err := m.Header.ContentType()
	if err != nil || kind != "multipart/report" || !strings.HasSuffix(params["report-type"], "delivery-status") {
		t.Errorf("the report is %s %v, %v", kind, params, err)
	}
	var kinds []string
	parts := m.MultipartReader()
	for {
		p, err := parts.NextPart()
		if err == io.EOF {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		kind, _, _ := p.Header.ContentType()
		kinds = append(kinds, kind)
	}
	if len(kinds) != 3 || kinds[0] != "text/plain" || !strings.HasSuffix(kinds[1], "delivery-status") {
		t.Errorf("parts are %v", kinds)
	}
}

func TestWhoIsToldOfWhat(t *testing.T) {
	for _, tt := range []struct {
		notify postrider.Notify
		told   string
	}{
		{0, "failed delayed"},
		{postrider.NotifyNever, ""},
		{postrider.NotifyFailure, "failed"},
		{postrider.NotifyDelay, "delayed"},
		{postrider.NotifySuccess, "delivered relayed"},
		{postrider.NotifySuccess | postrider.NotifyFailure, "failed delivered relayed"},
	} {
		var told []string
		for _, action := range []dsn.Action{dsn.None, dsn.Failed, dsn.Delayed, dsn.Delivered, dsn.Relayed} {
			r := newReport()
			x := rcpt("bob@example.net")
			x.Notify = tt.notify
			if r.Add(x, action, &postrider.Status{Code: "5.0.0"}, ""); !r.Empty() {
				told = append(told, string(action))
			}
		}
		if got := strings.Join(told, " "); got != tt.told {
			t.Errorf("NOTIFY=%s: told of %q, want %q", tt.notify, got, tt.told)
		}
	}
}

func TestNothingGoesToTheNullPath(t *testing.T) {
	r := newReport()
	r.To = postrider.Address{}
	r.Add(rcpt("bob@example.net"), dsn.Failed, nil, "")
	if !r.Empty() {
		t.Error("a report to <> is not empty")
	}
	if _, _, err := r.Write(postrider.String(original)); err == nil {
		t.Error("a report to <> was written")
	}
}

func TestHowMuchGoesBack(t *testing.T) {
	message := func(size int) string {
		s := "Subject: big\r\n\r\n"
		return s + strings.Repeat("x", size-len(s))
	}
	for _, tt := range []struct {
		why   string
		size  int
		ret   postrider.Return
		body  postrider.Body
		whole bool
	}{
		{"a small one", dsn.MaxReturned, "", "", true},
		{"one that is too large", dsn.MaxReturned + 1, "", "", false},
		{"one that its sender wants back", dsn.MaxReturned + 1, postrider.ReturnFull, "", true},
		{"one that is too large even so", dsn.MaxReturnedFull + 1, postrider.ReturnFull, "", false},
		{"one whose sender wants the header", 100, postrider.ReturnHeaders, "", false},
		{"a binary one", 100, postrider.ReturnFull, postrider.BodyBinaryMIME, false},
	} {
		r := newReport()
		r.Return, r.Body = tt.ret, tt.body
		r.Add(rcpt("bob@example.net"), dsn.Failed, nil, "")
		c, _, err := r.Write(postrider.String(message(tt.size)))
		if err != nil {
			t.Fatal(err)
		}
		text, err := postrider.ReadAll(c)
		if err != nil {
			t.Fatal(err)
		}
		if whole := strings.Contains(string(text), "\r\nContent-Type: message/rfc822\r\n"); whole != tt.whole {
			t.Errorf("%s: goes back whole: %v", tt.why, whole)
		}
	}
}

// closing counts how often it is closed.
type closing struct {
	postrider.Content
	closed int
}

func (c *closing) Close() error { c.closed++; return nil }

func TestWriteTakesOverTheOriginal(t *testing.T) {
	r := newReport()
	c := &closing{Content: postrider.String(original)}
	if _, _, err := r.Write(c); err == nil || c.closed != 1 {
		t.Errorf("after an error, closed %d times: %v", c.closed, err)
	}
	r.Add(rcpt("bob@example.net"), dsn.Failed, nil, "")
	c = &closing{Content: postrider.String(original)}
	report, _, err := r.Write(c)
	if err != nil || c.closed != 0 {
		t.Fatalf("closed %d times before its time: %v", c.closed, err)
	}
	if report.Close(); c.closed != 1 {
		t.Errorf("closed %d times with the report", c.closed)
	}
}
