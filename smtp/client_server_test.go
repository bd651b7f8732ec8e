package smtp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/netip"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/smtp"
)

// A clientSink is a handler that keeps what it accepts.
type clientSink struct {
	mu   sync.Mutex
	kept []clientKept
}

type clientKept struct {
	env  postrider.Envelope
	text string
}

func (s *clientSink) Rcpt(context.Context, *smtp.Transaction, *postrider.Recipient) error { return nil }

func (s *clientSink) Data(_ context.Context, tx *smtp.Transaction, c postrider.Content) error {
	b, err := postrider.ReadAll(c)
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.kept = append(s.kept, clientKept{tx.Envelope, string(b)})
	return nil
}

func (s *clientSink) Features(*smtp.Session) smtp.Features { return smtp.Features{DSN: true} }

// clientServe runs our server on n at 192.0.2.1:25 until the returned function is called.
func clientServe(t testing.TB, n *mailtest.Network, srv *smtp.Server) (stop func()) {
	t.Helper()
	l, err := n.Listen("tcp", "192.0.2.1:25")
	if err != nil {
		t.Fatal(err)
	}
	srv.Hostname, srv.Logger = "mx.example.org", slog.New(slog.DiscardHandler)
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(context.Background(), l)
	}()
	return func() {
		srv.Close()
		<-done
	}
}

func clientDialer(n *mailtest.Network) smtp.Dialer {
	return smtp.Dialer{Hostname: "client.example.net", DialContext: n.DialContext, Logger: slog.New(slog.DiscardHandler)}
}

func TestWhatTheClientSendsIsWhatTheServerKeeps(t *testing.T) {
	server, trusted := mailtest.TLS(t)
	binary := strings.Repeat("Zwölf Boxkämpfer jagen Viktor quer über den großen Sylter Deich.\r\n.\r\n..\r\n", 3000)
	for _, lmtp := range []bool{false, true} {
		for _, encrypt := range []bool{false, true} {
			t.Run(fmt.Sprintf("lmtp=%v/tls=%v", lmtp, encrypt), func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					n, sink := new(mailtest.Network), new(clientSink)
					srv := &smtp.Server{Handler: sink, LMTP: lmtp}
					d := clientDialer(n)
					d.LMTP = lmtp
					if encrypt {
						srv.TLSConfig = server
						d.TLS, d.TLSConfig = smtp.RequireTLS, trusted
					}
					defer clientServe(t, n, srv)()
					c, err := d.Connect(t.Context(), "192.0.2.1:25")
					if err != nil {
						t.Fatal(err)
					}
					env := &postrider.Envelope{
						ReversePath: postrider.Address{Local: "söme one", Domain: "example.net"},
						Recipients: []postrider.Recipient{
							{ForwardPath: postrider.Address{Local: "bob", Domain: "example.org"}, Notify: postrider.NotifySuccess | postrider.NotifyDelay},
							{ForwardPath: postrider.Address{Local: "用户", Domain: "例え.jp"}},
							{ForwardPath: postrider.Address{Local: "bob", Domain: "example.org"}},
						},
						EnvelopeID: "x+y=z",
						Return:     postrider.ReturnHeaders,
					}
					texts := []string{clientText, binary, "", "no line end", ".\r\n", strings.Repeat("a", 900) + "\r\n"}
					for _, text := range texts {
						outcomes, err := c.Send(t.Context(), env, postrider.String(text))
						if err != nil || len(outcomes) != 3 {
							t.Fatalf("%d outcomes: %v", len(outcomes), err)
						}
						if !c.Reusable() {
							t.Fatal("not reusable")
						}
					}
					if err := c.Quit(t.Context()); err != nil {
						t.Errorf("Quit: %v", err)
					}
					if len(sink.kept) != len(texts) {
						t.Fatalf("kept %d of %d", len(sink.kept), len(texts))
					}
					for i, kept := range sink.kept {
						want := texts[i]
						if want != "" && !strings.HasSuffix(want, "\r\n") {
							want += "\r\n"
						}
						if kept.text != want {
							t.Errorf("message %d: got %d octets, want %d", i, len(kept.text), len(want))
						}
						got := kept.env
						if got.ReversePath != env.ReversePath || got.EnvelopeID != env.EnvelopeID || got.Return != env.Return || !got.SMTPUTF8 || got.Size != int64(len(texts[i])) {
							t.Errorf("message %d: envelope %+v", i, got)
						}
						if len(got.Recipients) != 3 || got.Recipients[0].Notify != env.Recipients[0].Notify || got.Recipients[1].ForwardPath != env.Recipients[1].ForwardPath {
							t.Errorf("message %d: recipients %+v", i, got.Recipients)
						}
					}
				})
			})
		}
	}
}

// TestABrokenConnectionNeverLosesAndNeverHidesADoubt breaks the connection at every octet, in each direction and in each way, and
// compares what the client says became of the message with what the server did: accepted is accepted, and a failure that is not
// ambiguous means that the server did not accept the message.
func TestABrokenConnectionNeverLosesAndNeverHidesADoubt(t *testing.T) {
	server, trusted := mailtest.TLS(t)
	for _, encrypt := range []bool{false, true} {
		for kind := mailtest.Cut; kind <= mailtest.Drop; kind++ {
			for _, toServer := range []bool{false, true} {
				t.Run(fmt.Sprintf("tls=%v/kind=%d/toServer=%v", encrypt, kind, toServer), func(t *testing.T) {
					t.Parallel()
					doubts, step := 0, int64(1)
					if encrypt {
						step = 19
					}
					for at := int64(0); ; at += step {
						b := clientBreak{encrypt: encrypt, toServer: toServer, fault: mailtest.Fault{Kind: kind, After: at}}
						if encrypt {
							b.server, b.trusted = server, trusted
						}
						synctest.Test(t, b.run)
						if b.ambiguous {
							doubts++
						}
						if t.Failed() || b.done {
							break
						}
					}
					if doubts == 0 && !toServer {
						t.Error("no lost reply was ambiguous, which cannot be")
					}
				})
			}
		}
	}
}

// A clientBreak is one session over a connection with a fault.
type clientBreak struct {
	encrypt, toServer bool
	server, trusted   *tls.Config
	fault             mailtest.Fault
	ambiguous, done   bool // done: the fault was beyond the end of the session
}

func (b *clientBreak) run(t *testing.T) {
	n, sink := new(mailtest.Network), new(clientSink)
	n.Faults = func(_, _ netip.AddrPort) (toServer, toClient mailtest.Fault) {
		if b.toServer {
			return b.fault, mailtest.Fault{}
		}
		return mailtest.Fault{}, b.fault
	}
	srv := &smtp.Server{Handler: sink, TLSConfig: b.server}
	d := clientDialer(n)
	if b.encrypt {
		d.TLS, d.TLSConfig = smtp.RequireTLS, b.trusted
	}
	stop := clientServe(t, n, srv)
	outcome := b.send(t, d)
	stop()
	accepted := len(sink.kept) > 0
	switch {
	case outcome == nil && !accepted:
		t.Errorf("broken at %d: the client says accepted, the server did not", b.fault.After)
	case outcome != nil && !outcome.Ambiguous && accepted:
		t.Errorf("broken at %d: %v, but the server accepted", b.fault.After, outcome)
	case outcome != nil && postrider.IsPermanent(outcome):
		t.Errorf("broken at %d: %v is permanent", b.fault.After, outcome)
	}
	b.ambiguous = outcome != nil && outcome.Ambiguous
}

func (b *clientBreak) send(t *testing.T, d smtp.Dialer) *smtp.ClientError {
	c, err := d.Connect(t.Context(), "192.0.2.1:25")
	if err != nil {
		return clientWantTemporary(t, err)
	}
	defer c.Close()
	env, content := clientEnvelope(t, map[string]string{})
	outcomes, err := c.Send(t.Context(), env, content)
	if err != nil {
		clientWantTemporary(t, err)
		return outcomes[0].Err
	}
	b.done = c.Quit(t.Context()) == nil
	return nil
}

func clientWantTemporary(t *testing.T, err error) *smtp.ClientError {
	t.Helper()
	var e *smtp.ClientError
	if !errors.As(err, &e) || postrider.IsPermanent(err) {
		t.Fatalf("%v is no temporary ClientError", err)
	}
	return e
}

func TestManyRecipientsDoNotDeadlockOnSmallBuffers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, sink := &mailtest.Network{Buffer: 4 << 10}, new(clientSink)
		defer clientServe(t, n, &smtp.Server{Handler: sink})()
		d := clientDialer(n)
		c, err := d.Connect(t.Context(), "192.0.2.1:25")
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		env, content := clientEnvelope(t, map[string]string{"rcpts": "1000"})
		start := time.Now()
		if _, err := c.Send(t.Context(), env, content); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(start); took > 0 {
			t.Errorf("took %v of waiting for each other", took)
		}
		if len(sink.kept) != 1 || len(sink.kept[0].env.Recipients) != 1000 {
			t.Errorf("kept %d messages", len(sink.kept))
		}
	})
}

func TestALargeMessageWithABareLFIsNeverAccepted(t *testing.T) {
	good := strings.Repeat("0123456789\r\n", 10000)
	for _, bad := range []string{good + "\n" + good, good + "\r" + good, good + "a\n.\r\n" + good, good + "\r"} {
		for _, body := range []postrider.Body{"", postrider.Body8BitMIME} {
			synctest.Test(t, func(t *testing.T) {
				n, sink := new(mailtest.Network), new(clientSink)
				stop := clientServe(t, n, &smtp.Server{Handler: sink})
				d := clientDialer(n)
				c, err := d.Connect(t.Context(), "192.0.2.1:25")
				if err != nil {
					t.Fatal(err)
				}
				env, _ := clientEnvelope(t, nil)
				env.Body = body
				outcomes, err := c.Send(t.Context(), env, postrider.String(bad))
				if !postrider.IsPermanent(err) || outcomes[0].Err.Status.Code != "5.6.0" || outcomes[0].Err.Ambiguous {
					t.Errorf("got %v, want 5.6.0", err)
				}
				// Declared 8BITMIME, it is found out while it is sent, and only closing tells the server.
				if c.Reusable() != (body == "") {
					t.Errorf("BODY=%s: reusable: %v", body, c.Reusable())
				}
				c.Close()
				stop()
				if len(sink.kept) > 0 {
					t.Error("the server accepted it")
				}
			})
		}
	}
}

// clientBrokenContent fails to be read from an offset on.
type clientBrokenContent struct {
	postrider.Content
	from int64
}

var errClientDisk = errors.New("disk on fire")

func (c clientBrokenContent) ReadAt(p []byte, off int64) (int, error) {
	if off+int64(len(p)) > c.from {
		return 0, errClientDisk
	}
	return c.Content.ReadAt(p, off)
}

func TestAMessageThatCannotBeReadIsATemporaryErrorAndNeverAccepted(t *testing.T) {
	text := postrider.String(strings.Repeat("0123456789\r\n", 10000))
	for _, test := range []struct {
		content  postrider.Content
		body     postrider.Body
		stage    smtp.Stage
		reusable bool
	}{
		{clientBrokenContent{postrider.String(clientText), 0}, "", smtp.StageCheck, true},
		{clientBrokenContent{text, 100000}, "", smtp.StageCheck, true},
		{clientBrokenContent{text, 100000}, postrider.Body8BitMIME, smtp.StageData, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			n, sink := new(mailtest.Network), new(clientSink)
			stop := clientServe(t, n, &smtp.Server{Handler: sink})
			d := clientDialer(n)
			c, err := d.Connect(t.Context(), "192.0.2.1:25")
			if err != nil {
				t.Fatal(err)
			}
			env, _ := clientEnvelope(t, nil)
			env.Body = test.body
			_, err = c.Send(t.Context(), env, test.content)
			e := clientWantError(t, err, test.stage, "4.3.0")
			if !errors.Is(err, errClientDisk) || e.Ambiguous || c.Reusable() != test.reusable {
				t.Errorf("got %v, ambiguous %v, reusable %v", err, e.Ambiguous, c.Reusable())
			}
			c.Close()
			stop()
			if len(sink.kept) > 0 {
				t.Error("the server accepted it")
			}
		})
	}
}

func TestAServerThatRefusesMidwayAndClosesIsUnderstood(t *testing.T) {
	for _, reply := range []string{"552 5.3.4 too much", "421 4.3.1 disk full"} {
		synctest.Test(t, func(t *testing.T) {
			near, far := mailtest.Pipe()
			go func() {
				clientSays(far, "220 mx", "C: ", "250 mx", "C: ", "250 ok", "C: ", "250 ok", "C: ", "354 go ahead", "C: ", reply)
				time.Sleep(time.Second)
				far.Close()
			}()
			c, err := new(smtp.Dialer).NewClient(t.Context(), near)
			if err != nil {
				t.Fatal(err)
			}
			env, content := clientEnvelope(t, map[string]string{"lines": "10000"})
			outcomes, err := c.Send(t.Context(), env, content)
			if err == nil || outcomes[0].Reply != reply || outcomes[0].Err.Stage != smtp.StageData || outcomes[0].Err.Ambiguous {
				t.Errorf("got %+v, %v", outcomes, err)
			}
			if postrider.IsPermanent(err) != strings.HasPrefix(reply, "5") {
				t.Errorf("permanent: %v", err)
			}
		})
	}
}

func TestAServerThatReadsNoMoreEndsTheBlockInThreeMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := mailtest.Pipe()
		go clientSays(far, "220 mx", "C: ", "250 mx", "C: ", "250 ok", "C: ", "250 ok", "C: ", "354 go ahead")
		c, err := new(smtp.Dialer).NewClient(t.Context(), near)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		env, content := clientEnvelope(t, map[string]string{"lines": "10000"})
		_, err = c.Send(t.Context(), env, content)
		e := clientWantError(t, err, smtp.StageData, "4.4.2")
		// A second more, for what the server may have had to say.
		if took := time.Since(start).Truncate(time.Second); e.Ambiguous || took != 3*time.Minute+time.Second {
			t.Errorf("after %v: %v", took, err)
		}
		far.Close()
	})
}

func TestCloseFromAnotherGoroutineEndsACallAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := mailtest.Pipe()
		go clientSays(far, "220 mx", "C: ", "250 mx", "C: ")
		c, err := new(smtp.Dialer).NewClient(t.Context(), near)
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		time.AfterFunc(5*time.Second, func() { c.Close() })
		err = c.Noop(t.Context())
		if e := clientWantError(t, err, smtp.StageIdle, "4.4.2"); !errors.Is(e, net.ErrClosed) || time.Since(start) != 5*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
		far.Close()
	})
}

func TestACanceledContextIsNoticedBeforeAnythingIsSent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, sink := new(mailtest.Network), new(clientSink)
		stop := clientServe(t, n, &smtp.Server{Handler: sink})
		d := clientDialer(n)
		c, err := d.Connect(t.Context(), "192.0.2.1:25")
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancelCause(t.Context())
		cancel(errClientDisk)
		env, content := clientEnvelope(t, nil)
		outcomes, err := c.Send(ctx, env, content)
		if !errors.Is(err, errClientDisk) || outcomes[0].Err.Ambiguous || c.Reusable() {
			t.Errorf("got %v, ambiguous %v, reusable %v", err, outcomes[0].Err.Ambiguous, c.Reusable())
		}
		stop()
		if len(sink.kept) > 0 {
			t.Error("the server accepted it")
		}
	})
}

func TestAConnectionThatCannotBeOpenedIsATemporaryError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := clientDialer(new(mailtest.Network))
		_, err := d.Connect(t.Context(), "192.0.2.1:25")
		clientWantError(t, err, smtp.StageConnect, "4.4.1")

		d.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
			<-ctx.Done()
			return nil, ctx.Err()
		}
		start := time.Now()
		_, err = d.Connect(t.Context(), "192.0.2.1:25")
		clientWantError(t, err, smtp.StageConnect, "4.4.1")
		if took := time.Since(start); took != time.Minute {
			t.Errorf("took %v, want a minute", took)
		}
	})
}

func TestWrongSettingsAreReportedTogetherBeforeAnythingIsDialled(t *testing.T) {
	d := smtp.Dialer{Hostname: "no good", TLS: 17, DialContext: func(context.Context, string, string) (net.Conn, error) {
		t.Error("dialled")
		return nil, io.EOF
	}}
	_, err := d.Connect(t.Context(), "192.0.2.1:25")
	if err == nil || !strings.Contains(err.Error(), "Hostname") || !strings.Contains(err.Error(), "TLS") {
		t.Errorf("got %v", err)
	}
	near, far := mailtest.Pipe()
	if _, err := d.NewClient(t.Context(), near); err == nil {
		t.Error("NewClient took it")
	}
	if _, err := far.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the connection was not closed: %v", err)
	}
}

func TestTheHostnameIsTheAddressLiteralOfThisEndByDefault(t *testing.T) {
	for addr, want := range map[string]string{"192.0.2.1:25": "EHLO [203.0.113.9]\r\n", "[2001:db8::25]:25": "EHLO [IPv6:2001:db8::9]\r\n"} {
		synctest.Test(t, func(t *testing.T) {
			n := new(mailtest.Network)
			from := "203.0.113.9"
			if strings.HasPrefix(addr, "[") {
				from = "2001:db8::9"
			}
			l, err := n.Listen("tcp", addr)
			if err != nil {
				t.Fatal(err)
			}
			d := smtp.Dialer{DialContext: n.From(from).DialContext}
			said := make(chan string, 1)
			go func() {
				conn, err := l.Accept()
				if err != nil {
					return
				}
				fmt.Fprint(conn, "220 mx\r\n")
				buf := make([]byte, 1000)
				n, _ := conn.Read(buf)
				said <- string(buf[:n])
				conn.Close()
			}()
			d.Connect(t.Context(), addr)
			if got := <-said; got != want {
				t.Errorf("said %q, want %q", got, want)
			}
			l.Close()
		})
	}
}

func TestTheLogSaysConnectAndCloseOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		n, sink := new(mailtest.Network), new(clientSink)
		defer clientServe(t, n, &smtp.Server{Handler: sink})()
		var log bytes.Buffer
		d := clientDialer(n)
		d.Logger = slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug}))
		c, err := d.Connect(t.Context(), "192.0.2.1:25")
		if err != nil {
			t.Fatal(err)
		}
		env, content := clientEnvelope(t, nil)
		if _, err := c.Send(t.Context(), env, content); err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.Quit(t.Context()), c.Close()); err != nil {
			t.Error(err)
		}
		text := log.String()
		if strings.Count(text, "msg=connect") != 1 || strings.Count(text, "msg=close") != 1 || !strings.Contains(text, "transactions=1") {
			t.Errorf("log:\n%s", text)
		}
	})
}

func TestTheSummaryOfOutcomesNeverSpeaksForARecipientWhoMayYetBeReached(t *testing.T) {
	for replies, want := range map[string]string{
		"250 ok|550 no|550 no|354 go":    "2 of 3 recipients not accepted: smtp: RCPT: 550 5.0.0 no",
		"550 no|250 ok|451 no|354 go":    "2 of 3 recipients not accepted: smtp: RCPT: 451 4.0.0 no",
		"451 no|250 ok|550 no|354 go":    "2 of 3 recipients not accepted: smtp: RCPT: 451 4.0.0 no",
		"550 no|550 no|451 no|554 no":    "3 of 3 recipients not accepted: smtp: RCPT: 451 4.0.0 no",
		"550 no|550 no|550 no|554 no":    "3 of 3 recipients not accepted: smtp: RCPT: 550 5.0.0 no",
		"250 ok|250 ok|250 ok|451 later": "smtp: DATA: 451 4.0.0 later",
	} {
		near, far := mailtest.Pipe()
		go clientSays(far, "220 mx", "C: ", "250-mx", "250 PIPELINING", "C: ", "250 ok\r\n"+strings.ReplaceAll(replies, "|", "\r\n"), "C: ", "250 kept")
		c, err := new(smtp.Dialer).NewClient(t.Context(), near)
		if err != nil {
			t.Fatal(err)
		}
		env, content := clientEnvelope(t, map[string]string{"rcpts": "3"})
		if _, err := c.Send(t.Context(), env, content); fmt.Sprint(err) != want {
			t.Errorf("%s: got %v, want %s", replies, err, want)
		}
		c.Close()
		far.Close()
	}
}
