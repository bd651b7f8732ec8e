package relay_test

import (
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider"
)

const (
	byFirst  = "delivered 250 2.0.0 by mx1.example.org"
	bySecond = "delivered 250 2.0.0 by mx2.example.org"
)

// Q2, Q3: which failures move on to the next host. The second one takes everything.
func TestWhatMovesOnToTheNextHost(t *testing.T) {
	for name, test := range map[string]struct {
		first script // nil for nobody there
		want  string
		took  string // by the second
	}{
		"nobody listens":                       {nil, bySecond, "bob"},
		"it closes at once":                    {script{"greeting": "(close)"}, bySecond, "bob"},
		"it never greets":                      {script{"greeting": "(stall)"}, bySecond, "bob"},
		"it greets with 421":                   {script{"greeting": "421 busy (close)"}, bySecond, "bob"},
		"it greets with 450":                   {script{"greeting": "450 busy"}, bySecond, "bob"},
		"it greets with 554":                   {script{"greeting": "554 no"}, bySecond, "bob"},
		"it greets with 521 as a dummy":        {script{"greeting": "521 no mail here (close)"}, bySecond, "bob"},
		"it greets with nonsense":              {script{"greeting": "SSH-2.0-OpenSSH"}, bySecond, "bob"},
		"it refuses EHLO and HELO":             {script{"EHLO": "550 no", "HELO": "550 no"}, bySecond, "bob"},
		"it asks to wait at EHLO":              {script{"EHLO": "451 later"}, bySecond, "bob"},
		"it says 421 to MAIL":                  {script{"MAIL": "421 busy (close)"}, bySecond, "bob"},
		"it closes at MAIL":                    {script{"MAIL": "(close)"}, bySecond, "bob"},
		"it never answers MAIL":                {script{"MAIL": "(stall)"}, bySecond, "bob"},
		"it answers MAIL with nonsense":        {script{"MAIL": "what?"}, bySecond, "bob"},
		"it asks to wait at MAIL":              {script{"MAIL": "452 4.3.1 no space"}, bySecond, "bob"},
		"it asks to wait at RCPT":              {script{"RCPT": "450 4.2.0 greylisted"}, bySecond, "bob"},
		"it closes at RCPT":                    {script{"RCPT": "(close)"}, bySecond, "bob"},
		"it asks to wait at DATA":              {script{"DATA": "451 4.3.0 later"}, bySecond, "bob"},
		"it closes at DATA":                    {script{"DATA": "(close)"}, bySecond, "bob"},
		"it closes before the final dot":       {script{"DATA": "354 go (close)"}, bySecond, "bob"},
		"it refuses the sender":                {script{"MAIL": "550 5.7.1 no"}, "failed 550 5.7.1 by mx1.example.org", ""},
		"it refuses the recipient":             {script{"RCPT": "550 5.1.1 no"}, "failed 550 5.1.1 by mx1.example.org", ""},
		"it refuses without an enhanced code":  {script{"RCPT": "553 no"}, "failed 553 5.0.0 by mx1.example.org", ""},
		"it refuses DATA":                      {script{"DATA": "554 5.5.0 no"}, "failed 554 5.5.0 by mx1.example.org", ""},
		"it refuses the message":               {script{".": "554 5.6.0 no"}, "failed 554 5.6.0 by mx1.example.org", ""},
		"it asks to wait after the message":    {script{".": "451 4.3.0 later"}, "deferred 451 4.3.0 by mx1.example.org", ""},
		"it says 421 after the message":        {script{".": "421 4.3.2 going down (close)"}, "deferred 421 4.3.2 by mx1.example.org", ""},
		"it closes after the final dot":        {script{".": "(close)"}, "deferred 451 4.4.2 ambiguous", ""},
		"it is silent after the final dot":     {script{".": "(stall)"}, "deferred 451 4.4.2 ambiguous", ""},
		"it talks nonsense after the message":  {script{".": "thanks"}, "deferred 451 4.5.0 ambiguous", ""},
		"an enhanced code of the wrong class":  {script{"RCPT": "450 5.1.1 odd"}, bySecond, "bob"},
		"it asks to wait with a 5 in the text": {script{".": "450 5.1.1 odd"}, "deferred 450 4.0.0 by mx1.example.org", ""},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, twoServers, func(w *world) {
				if test.first != nil {
					w.play("192.0.2.1", test.first)
				}
				w.serve("192.0.2.2", nil)
				w.deliver(attempt("example.org", "bob"), test.want)
				if test.took != "" {
					test.took = "192.0.2.2 took " + test.took
				}
				expect(t, "taken by the second", w.taken(), test.took)
			})
		})
	}
}

// Q2: 4yz keeps and 5yz bounces, for each recipient by itself; who was accepted is not tried again.
func TestEachRecipientHasItsOwnOutcome(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.play("192.0.2.1", script{"RCPT cat": "550 5.1.1 unknown", "RCPT dan": "450 4.2.1 later"})
		w.serve("192.0.2.2", nil)
		w.deliver(attempt("example.org", "bob", "cat", "dan"), byFirst+"; failed 550 5.1.1 by mx1.example.org; "+bySecond)
		expect(t, "taken by the second", w.taken(), "192.0.2.2 took dan")
	})
}

// Q2: what failed at every host is judged by all of them.
func TestAFailureIsPermanentOnlyIfNobodyMayTakeTheMail(t *testing.T) {
	refuses := script{"greeting": "554 5.7.1 not from there"}
	for name, test := range map[string]struct {
		first, second script
		want          string
	}{
		"nobody is there":                         {nil, nil, "deferred 451 4.4.1"},
		"both refuse to talk":                     {refuses, refuses, "failed 554 5.7.1 by mx2.example.org"},
		"one refuses, the other is not there":     {refuses, nil, "deferred 451 4.4.1"},
		"one is not there, the other refuses":     {nil, refuses, "deferred 451 4.4.1"},
		"one refuses, the other is busy":          {refuses, script{"greeting": "421 4.3.2 busy (close)"}, "deferred 421 4.3.2 by mx2.example.org"},
		"one is not there, the other knows":       {nil, script{"RCPT": "550 5.1.1 no"}, "failed 550 5.1.1 by mx2.example.org"},
		"one is busy, the other knows":            {script{"greeting": "421 busy (close)"}, script{"RCPT": "550 5.1.1 no"}, "failed 550 5.1.1 by mx2.example.org"},
		"the better wants us to wait":             {script{"RCPT": "450 4.2.0 wait"}, script{"RCPT": "550 5.1.1 no"}, "deferred 450 4.2.0 by mx1.example.org"},
		"the better wants us to wait, one talks":  {script{"RCPT": "450 4.2.0 wait"}, refuses, "deferred 450 4.2.0 by mx1.example.org"},
		"what was said of the mail tells most":    {script{"MAIL": "451 4.3.0 wait"}, nil, "deferred 451 4.3.0 by mx1.example.org"},
		"a reply tells more than no connection":   {script{"greeting": "450 4.7.0 wait"}, nil, "deferred 450 4.7.0 by mx1.example.org"},
		"a lost session more than no connection":  {script{"MAIL": "(close)"}, nil, "deferred 451 4.4.2"},
		"both lose the session":                   {script{"MAIL": "(close)"}, script{"RCPT": "(close)"}, "deferred 451 4.4.2"},
		"the second has it and does not say so":   {nil, script{".": "(close)"}, "deferred 451 4.4.2 ambiguous"},
		"the second refuses the message for good": {script{"DATA": "450 4.2.0 wait"}, script{".": "554 5.6.0 no"}, "deferred 450 4.2.0 by mx1.example.org"},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, twoServers, func(w *world) {
				if test.first != nil {
					w.play("192.0.2.1", test.first)
				}
				if test.second != nil {
					w.play("192.0.2.2", test.second)
				}
				w.deliver(attempt("example.org", "bob"), test.want)
				expect(t, "connections", w.dialled(), "192.0.2.1 192.0.2.2")
			})
		})
	}
}

// Q2: recipients beyond the server's limit follow in further transactions of the same session (RFC 5321 §4.5.3.1.10).
func TestRecipientsBeyondTheLimitFollowInTheSameSession(t *testing.T) {
	for _, reply := range []string{"452 4.5.3 too many recipients", "452 too many recipients", "552 too many recipients"} {
		bubble(t, twoServers, func(w *world) {
			w.few("192.0.2.1", 2, reply)
			a := attempt("example.org", "r1", "r2", "r3", "r4", "r5")
			w.deliver(a, byFirst+"; "+byFirst+"; "+byFirst+"; "+byFirst+"; "+byFirst)
			expect(t, "taken", w.taken(), "took r1,r2; took r3,r4; took r5")
			expect(t, "connections", w.dialled(), "192.0.2.1")
		})
	}
}

// A server that takes one recipient at a time gets 20 of them in one attempt. The others wait a minute, not half an hour.
func TestRecipientsBeyondAllLimitsComeAgainSoon(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.few("192.0.2.1", 1, "452 4.5.3 too many recipients")
		a := attempt("example.org")
		for i := range 22 {
			a.Recipients = append(a.Recipients, attempt("example.org", "bob").Recipients[0])
			a.Recipients[i].Index = i
		}
		delivered := 0
		for i, o := range w.transport.Deliver(w.t.Context(), a) {
			if o.Result == 1 {
				delivered++
			} else if want := time.Now().Add(time.Minute); i < 20 || !o.RetryAt.Equal(want) || o.Status.Code != "4.5.3" {
				t.Errorf("recipient %d: %+v", i, o)
			}
		}
		if delivered != 20 {
			t.Errorf("%d delivered, want 20", delivered)
		}
		expect(t, "connections", w.dialled(), "192.0.2.1")
	})
}

// 452 is also a mailbox that is full, and a server that takes nobody: no transaction would be any different.
func TestAFullMailboxIsNotTooManyRecipients(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.play("192.0.2.1", script{"RCPT cat": "452 4.2.2 mailbox full"})
		w.play("192.0.2.2", script{"RCPT": "452 4.5.3 too many recipients"})
		w.deliver(attempt("example.org", "bob", "cat"), byFirst+"; deferred 452 4.5.3 by mx2.example.org")
		if got := w.commands(); count(got, "RCPT TO:<cat@") != 2 || count(got, "MAIL ") != 2 {
			t.Errorf("commands:\n%s", got)
		}
	})
}

// RFC 5321 §5.1: each address of a host is tried, and both families.
func TestEveryAddressOfAHostIsTried(t *testing.T) {
	bubble(t, `
		example.org.  MX 10 mx.example.org.
		mx.example.org.  A    192.0.2.1
		mx.example.org.  A    192.0.2.2
		mx.example.org.  AAAA 2001:db8::1
		mx.example.org.  AAAA 2001:db8::2
	`, func(w *world) {
		w.deliver(attempt("example.org", "bob"), "deferred 451 4.4.1")
		expect(t, "connections", w.dialled(), "[2001:db8::1] 192.0.2.1")
		w.transport.MaxAddrs = 4
		w.serve("192.0.2.2", nil)
		w.deliver(attempt("example.org", "bob"), "delivered 250 2.0.0 by mx.example.org")
		expect(t, "connections", w.dialled(), "[2001:db8::1] 192.0.2.1 [2001:db8::2] 192.0.2.2")
	})
}

// A host that asked to wait with the mail has other addresses, but one opinion.
func TestAHostThatAskedToWaitIsNotAskedAtItsOtherAddresses(t *testing.T) {
	bubble(t, `
		example.org.  MX 10 mx.example.org.
		mx.example.org.  A    192.0.2.1
		mx.example.org.  A    192.0.2.2
	`, func(w *world) {
		w.play("192.0.2.1", script{"RCPT": "450 4.2.0 wait"})
		w.deliver(attempt("example.org", "bob"), "deferred 450 4.2.0 by mx.example.org")
		expect(t, "connections", w.dialled(), "192.0.2.1")
	})
}

// A recipient about whom an address left us without an answer is asked about at the next, though it answered for another.
func TestARecipientWithoutAnAnswerIsTriedAtTheNextAddress(t *testing.T) {
	bubble(t, `
		example.org.  MX 10 mx.example.org.
		mx.example.org.  A    192.0.2.1
		mx.example.org.  A    192.0.2.2
	`, func(w *world) {
		w.play("192.0.2.1", script{"RCPT bob": "450 4.2.0 wait", "RCPT cat": "(close)"})
		w.play("192.0.2.2", script{"RCPT bob": "450 4.2.0 wait"})
		w.deliver(attempt("example.org", "bob", "cat"), "deferred 450 4.2.0 by mx.example.org; delivered 250 2.0.0 by mx.example.org")
	})
}

// Remote is who spoke. What is not in a server's words names it in the text.
func TestAStatusNamesTheServerItIsAbout(t *testing.T) {
	for told, want := range map[string]string{
		"(none)":  "mx1.example.org: connection failed",
		"(close)": "mx1.example.org: the server closed the connection",
		"(stall)": "mx1.example.org: the server took too long",
		"554 no":  "no",
	} {
		bubble(t, oneServer, func(w *world) {
			if told != "(none)" {
				w.play("192.0.2.1", script{"greeting": told})
			}
			o := w.transport.Deliver(w.t.Context(), attempt("example.org", "bob"))[0]
			if o.Status.Text != want || (o.Remote == "mx1.example.org") != (want == "no") {
				t.Errorf("%s: %q by %q, want %q", told, o.Status.Text, o.Remote, want)
			}
		})
	}
	bubble(t, oneServer, func(w *world) {
		w.play("192.0.2.1", script{".": "(close)"})
		o := w.transport.Deliver(w.t.Context(), attempt("example.org", "bob"))[0]
		expect(t, "text", o.Status.Text, "mx1.example.org: the server closed the connection; the message may have arrived")
	})
}

// What is tried is bounded, and by default fewer than a domain may list.
func TestTheNumberOfHostsTriedIsBounded(t *testing.T) {
	const many = `
		example.org.  MX 1 mx1.example.org.
		example.org.  MX 2 mx2.example.org.
		example.org.  MX 3 mx3.example.org.
		example.org.  MX 4 mx4.example.org.
		example.org.  MX 5 mx5.example.org.
		example.org.  MX 6 mx6.example.org.
		mx1.example.org.  A 192.0.2.1
		mx2.example.org.  A 192.0.2.2
		mx3.example.org.  A 192.0.2.3
		mx4.example.org.  A 192.0.2.4
		mx5.example.org.  A 192.0.2.5
		mx6.example.org.  A 192.0.2.6
	`
	for max, want := range map[int]string{
		0: "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5",
		1: "192.0.2.1",
		6: "192.0.2.1 192.0.2.2 192.0.2.3 192.0.2.4 192.0.2.5 192.0.2.6",
	} {
		bubble(t, many, func(w *world) {
			w.transport.MaxHosts = max
			w.deliver(attempt("example.org", "bob"), "deferred 451 4.4.1")
			expect(t, "connections", w.dialled(), want)
		})
	}
}

// A site that swallows packets costs half a minute for each address, and an attempt that is given up ends at once.
func TestDeadSitesAreGivenUpInTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, twoServers)
		w.swallow()
		start := time.Now()
		w.deliver(attempt("example.org", "bob"), "deferred 451 4.4.1")
		expect(t, "took", time.Since(start).String(), "1m0s")

		ctx, cancel := withTimeout(t, 10*time.Second)
		defer cancel()
		start = time.Now()
		out := w.transport.Deliver(ctx, attempt("example.org", "bob", "cat"))
		expect(t, "outcomes", tell(out), "deferred 451 4.4.1; deferred 451 4.4.1")
		expect(t, "took", time.Since(start).String(), "10s")
		expect(t, "connections", w.dialled(), "192.0.2.1 192.0.2.2 192.0.2.1")
	})
}

// An error that nobody foresaw keeps the mail.
func TestUnknownErrorsDefer(t *testing.T) {
	bubble(t, twoServers, func(w *world) {
		w.refuse(syscall.EPERM)
		w.deliver(attempt("example.org", "bob"), "deferred 451 4.4.1")
	})
	bubble(t, twoServers, func(w *world) {
		w.transport.Hostname = "not a name"
		w.serve("192.0.2.1", nil)
		w.deliver(attempt("example.org", "bob"), "deferred 451 4.3.5")
	})
	bubble(t, twoServers, func(w *world) {
		w.serve("192.0.2.1", nil)
		a := attempt("example.org", "bob")
		a.Content = unreadable{a.Content}
		w.deliver(a, "deferred 451 4.3.0")
		expect(t, "connections", w.dialled(), "192.0.2.1")
		expect(t, "taken", w.taken(), "")
	})
}

// unreadable is a content on a disk that fails.
type unreadable struct{ postrider.Content }

func (unreadable) ReadAt([]byte, int64) (int, error) { return 0, syscall.EIO }
