package smtp_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/postrider/postrider/mailtest"
	"github.com/postrider/postrider/smtp"
)

// clientAgainst opens a client to a server that is one function, in a bubble of synctest, and closes both.
func clientAgainst(t *testing.T, d smtp.Dialer, serve func(net.Conn), use func(*testing.T, *smtp.Client, error)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		near, far := mailtest.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer far.Close()
			serve(far)
		}()
		c, err := d.NewClient(t.Context(), near)
		use(t, c, err)
		if c != nil {
			c.Close()
		}
		<-done
	})
}

// clientSays writes lines, of which those that begin with "C: " are waited for instead, whatever they are.
func clientSays(conn net.Conn, lines ...string) {
	buf := make([]byte, 64<<10)
	for _, line := range lines {
		if line == "C: " {
			if _, err := conn.Read(buf); err != nil {
				return
			}
			continue
		}
		fmt.Fprintf(conn, "%s\r\n", line)
	}
}

func TestACertificateOfAnotherNameEndsRequiredTLS(t *testing.T) {
	server, client := mailtest.TLS(t)
	d := smtp.Dialer{Hostname: "client.example.net", TLS: smtp.RequireTLS, TLSConfig: client, ServerName: "other.example.org"}
	d.TLSConfig.ServerName = ""
	var refused error
	clientAgainst(t, d, func(conn net.Conn) {
		clientSays(conn, "220 mx", "C: ", "250-mx", "250 STARTTLS", "C: ", "220 go ahead")
		refused = tls.Server(conn, server).Handshake()
	}, func(t *testing.T, c *smtp.Client, err error) {
		clientWantError(t, err, smtp.StageTLS, "4.7.5")
		var bad *tls.CertificateVerificationError
		if !errors.As(err, &bad) {
			t.Errorf("the cause of %v is no CertificateVerificationError", err)
		}
	})
	if refused == nil || !strings.Contains(refused.Error(), "bad certificate") {
		t.Errorf("the server learned %v, not that its certificate is bad", refused)
	}
}

// clientWantError checks that err is a temporary ClientError at a stage, and its enhanced code.
func clientWantError(t *testing.T, err error, stage smtp.Stage, code string) *smtp.ClientError {
	t.Helper()
	var e *smtp.ClientError
	if !errors.As(err, &e) {
		t.Fatalf("got %v, no ClientError", err)
	}
	if e.Stage != stage || e.Status.EnhancedCode() != code {
		t.Errorf("got %v, want %s at %s", e, code, stage)
	}
	return e
}

func TestImplicitTLSBeginsWithTheHandshake(t *testing.T) {
	server, client := mailtest.TLS(t)
	d := smtp.Dialer{Hostname: "client.example.net", TLS: smtp.ImplicitTLS, TLSConfig: client}
	clientAgainst(t, d, func(conn net.Conn) {
		clientSays(tls.Server(conn, server), "220 mx", "C: ", "250-mx", "250 STARTTLS", "C: ", "221 bye")
	}, func(t *testing.T, c *smtp.Client, err error) {
		if err != nil {
			t.Fatal(err)
		}
		if c.TLS() == nil || c.VerifyError() != nil {
			t.Errorf("TLS %v, VerifyError %v", c.TLS(), c.VerifyError())
		}
		if err := c.Quit(t.Context()); err != nil {
			t.Errorf("Quit: %v", err)
		}
	})
}

func TestAServerWithoutTLSWhereItIsImplicitIsATemporaryError(t *testing.T) {
	d := smtp.Dialer{Hostname: "client.example.net", TLS: smtp.ImplicitTLS, ServerName: "mx.example.org"}
	clientAgainst(t, d, func(conn net.Conn) {
		clientSays(conn, "220 mx.example.org ESMTP", "C: ")
	}, func(t *testing.T, c *smtp.Client, err error) {
		clientWantError(t, err, smtp.StageTLS, "4.7.5")
	})
}

func TestWhatIsNoHandshakeAfterSTARTTLSIsATemporaryError(t *testing.T) {
	for _, test := range []struct {
		name string
		then func(net.Conn)
		took time.Duration
	}{
		{"garbage", func(conn net.Conn) { clientSays(conn, "C: ", "250 I know no TLS") }, 0},
		{"end", func(conn net.Conn) { conn.Close() }, 0},
		{"silence", func(conn net.Conn) { io.Copy(io.Discard, conn) }, 5 * time.Minute},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := smtp.Dialer{Hostname: "client.example.net", ServerName: "mx.example.org"}
			clientAgainst(t, d, func(conn net.Conn) {
				clientSays(conn, "220 mx", "C: ", "250-mx", "250 STARTTLS", "C: ", "220 go ahead")
				test.then(conn)
			}, func(t *testing.T, c *smtp.Client, err error) {
				clientWantError(t, err, smtp.StageTLS, "4.7.5")
				start := time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)
				if took := time.Since(start).Truncate(time.Second); took != test.took {
					t.Errorf("took %v, want %v", took, test.took)
				}
			})
		})
	}
}

func TestAContextInterruptsTheHandshake(t *testing.T) {
	d := smtp.Dialer{Hostname: "client.example.net", ServerName: "mx.example.org"}
	synctest.Test(t, func(t *testing.T) {
		near, far := mailtest.Pipe()
		go func() {
			clientSays(far, "220 mx", "C: ", "250-mx", "250 STARTTLS", "C: ", "220 go ahead")
			io.Copy(io.Discard, far)
			far.Close()
		}()
		ctx, cancel := context.WithTimeout(t.Context(), 7*time.Second)
		defer cancel()
		start := time.Now()
		_, err := d.NewClient(ctx, near)
		clientWantError(t, err, smtp.StageTLS, "4.4.2")
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(start) != 7*time.Second {
			t.Errorf("after %v: %v", time.Since(start), err)
		}
	})
}
