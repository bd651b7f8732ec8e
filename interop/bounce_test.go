package interop

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"strings"
	"sync"
	"testing"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/smtp"
)

// A sink is a server that takes all mail and keeps it in memory.
type sink struct {
	mu  sync.Mutex
	got []sunk // guarded by mu
}

// A sunk message is one that reached a sink.
type sunk struct {
	from string
	to   []string
	text string
}

// startSink starts a sink for as long as the test runs.
func startSink(t *testing.T, addr string) *sink {
	t.Helper()
	s := &sink{}
	l, err := net.Listen("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	srv := &smtp.Server{Hostname: "mx.sink.test", Handler: smtp.HandlerFunc(s.take), Logger: slog.New(slog.DiscardHandler)}
	served := make(chan error)
	go func() { served <- srv.Serve(context.Background(), l) }()
	t.Cleanup(func() {
		srv.Close()
		<-served
	})
	return s
}

func (s *sink) take(_ context.Context, tx *smtp.Transaction, c postrider.Content) error {
	text, err := postrider.ReadAll(c)
	if err != nil {
		return err
	}
	m := sunk{from: tx.Envelope.ReversePath.String(), text: string(text)}
	for _, r := range tx.Envelope.Recipients {
		m.to = append(m.to, r.ForwardPath.String())
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.got = append(s.got, m)
	return nil
}

// messages returns what came so far.
func (s *sink) messages() []sunk {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.got[:len(s.got):len(s.got)]
}

// expect waits for the first n messages.
func (s *sink) expect(t *testing.T, n int) []sunk {
	t.Helper()
	eventually(t, patience, func() error {
		if got := s.messages(); len(got) < n {
			return fmt.Errorf("the sink has %d messages, want %d", len(got), n)
		}
		return nil
	})
	return s.messages()
}

// startRelay starts a server that asks the DNS of an internet of its own.
func startRelay(t *testing.T, flags ...string) (*internet, *server) {
	t.Helper()
	n := newInternet(t)
	dns := n.startDNS(t)
	return n, startServer(t, append([]string{"-dns", dns, "-smtp-port", fmt.Sprint(n.port), "-retry", "1s"}, flags...)...)
}

func TestMailWithoutAServerBounces(t *testing.T) {
	t.Parallel()
	_, s := startRelay(t)
	tests := []struct{ name, domain, status string }{
		{"no such domain", "no-such-domain.test", "5.1.2"},
		{"neither MX nor address", "nomail.test", "5.1.2"},
		{"null MX", "nullmx.test", "5.1.10"},
		{"MX is no host", "mxnowhere.test", "5.4.4"},
	}
	for _, test := range tests {
		text := message(test.name, "Grüße: where does this go?\r\n.\r\n")
		s.submit(ann, text, "carl@"+test.domain)
	}
	var all []string
	eventually(t, patience, func() (err error) {
		if all, err = s.inbox(ann); len(all) < len(tests) {
			return errors.Join(err, fmt.Errorf("ann has %d reports, want %d", len(all), len(tests)))
		}
		return err
	})
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			for _, text := range all {
				if strings.Contains(text, "\r\nSubject: "+test.name+"\r\n") {
					r := parseReport(t, text)
					r.wantFailure(t, "carl@"+test.domain, test.status, "", message(test.name, "Grüße: where does this go?\r\n.\r\n"))
					pythonReads(t, text, "carl@"+test.domain, test.status)
					return
				}
			}
			t.Errorf("no report among %q", all)
		})
	}
}

// pythonReads fails the test unless Python's email package understands the report without a complaint.
func pythonReads(t *testing.T, text, rcpt, status string) {
	t.Helper()
	c := command{path: program(t, "python3"), args: []string{"testdata/report.py"}, stdin: text}
	want := fmt.Sprintf("multipart/report delivery-status\ntext/plain message/delivery-status message/rfc822\nrfc822;%s failed %s\n", rcpt, status)
	if got := c.must(t).stdout; got != want {
		t.Errorf("Python reads %q, want %q", got, want)
	}
}

func TestADomainWithoutMXGetsItsMailAtItsAddress(t *testing.T) {
	t.Parallel()
	n, s := startRelay(t)
	to := startSink(t, n.smtp(hostSink))
	s.submit(ann, samples["latin1"], "carl@implicit.test")
	got := to.expect(t, 1)[0]
	if got.from != ann || fmt.Sprint(got.to) != "[carl@implicit.test]" || !strings.HasSuffix(got.text, samples["latin1"]) {
		t.Errorf("the sink got %+v", got)
	}
}

func TestMailWaitsForAServerThatIsDown(t *testing.T) {
	t.Parallel()
	ends := map[string]func(*server){"SIGTERM": (*server).stop, "SIGKILL": (*server).kill}
	for name, end := range ends {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			n, s := startRelay(t)
			large := message("large", strings.Repeat("0123456789abcdef0123456789abcdef\r\n", 8000))
			s.submit(ann, samples["dots"], "carl@sink.test", "dora@sink.test")
			s.submit(ann, large, "carl@sink.test")
			s.logs(t, "msg=defer", 3)
			end(s)
			s.start()
			s.logs(t, "msg=defer", 6) // those before the end, too
			to := startSink(t, n.smtp(hostSink))
			recipients := map[string]int{}
			eventually(t, patience, func() error {
				clear(recipients)
				for _, m := range to.messages() {
					for _, rcpt := range m.to {
						recipients[rcpt+" "+subject(m.text)]++
					}
				}
				if len(recipients) < 3 {
					return fmt.Errorf("the sink has %v", recipients)
				}
				return nil
			})
			for _, m := range to.messages() {
				if want := map[string]string{"dots": samples["dots"], "large": large}[subject(m.text)]; !strings.HasSuffix(m.text, want) {
					t.Errorf("got %d octets, want them to end in %d others", len(m.text), len(want))
				}
			}
			for key, n := range recipients {
				if n != 1 {
					t.Errorf("%s came %d times", key, n)
				}
			}
			if all := s.mustInbox(ann); len(all) > 0 {
				t.Errorf("ann heard of it: %q", all)
			}
		})
	}
}

// logs waits until the log has n lines with the words.
func (s *server) logs(t *testing.T, words string, n int) {
	t.Helper()
	eventually(t, patience, func() error {
		if got := strings.Count(s.log.String(), words); got < n {
			return fmt.Errorf("%d lines with %q in the log, want %d", got, words, n)
		}
		return nil
	})
}
