package smtp_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/emersion/go-sasl"

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

func TestVerifyErrorSaysWhetherTheServerIsKnown(t *testing.T) {
	server, trusted := mailtest.TLS(t)
	custom := errors.New("not by DANE either")
	for _, test := range []struct {
		name   string
		mode   smtp.TLSMode
		config *tls.Config
		want   string // of VerifyError, or of the handshake if that fails; empty for none
		opens  bool
	}{
		{"no TLS", smtp.NoTLS, &tls.Config{}, "no TLS", true},
		{"opportunistic, verified", smtp.OpportunisticTLS, &tls.Config{RootCAs: trusted.RootCAs, ServerName: "mx.example.org"}, "", true},
		{"opportunistic, another name", smtp.OpportunisticTLS, &tls.Config{RootCAs: trusted.RootCAs, ServerName: "other.example.org"}, "not other.example.org", true},
		{"opportunistic, unknown authority", smtp.OpportunisticTLS, &tls.Config{RootCAs: x509.NewCertPool(), ServerName: "mx.example.org"}, "unknown authority", true},
		{"opportunistic, no name", smtp.OpportunisticTLS, &tls.Config{RootCAs: trusted.RootCAs}, "no ServerName", true},
		{"opportunistic, expired", smtp.OpportunisticTLS, &tls.Config{RootCAs: trusted.RootCAs, ServerName: "mx.example.org", Time: func() time.Time { return time.Date(2100, 1, 1, 0, 0, 0, 0, time.UTC) }}, "expired", true},
		{"opportunistic, further check", smtp.OpportunisticTLS, &tls.Config{RootCAs: trusted.RootCAs, ServerName: "mx.example.org", VerifyConnection: func(tls.ConnectionState) error { return custom }}, custom.Error(), false},
		{"required, skipped", smtp.RequireTLS, &tls.Config{InsecureSkipVerify: true}, "InsecureSkipVerify", true},
		{"required, own check", smtp.RequireTLS, &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error { return nil }}, "", true},
		{"required, own check fails", smtp.RequireTLS, &tls.Config{InsecureSkipVerify: true, VerifyConnection: func(tls.ConnectionState) error { return custom }}, custom.Error(), false},
		{"required, no name", smtp.RequireTLS, &tls.Config{RootCAs: trusted.RootCAs}, "ServerName", false},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := smtp.Dialer{Hostname: "client.example.net", TLS: test.mode, TLSConfig: test.config}
			clientAgainst(t, d, func(conn net.Conn) {
				clientSays(conn, "220 mx", "C: ", "250-mx", "250-X-ODD a b", "250 STARTTLS")
				if test.mode != smtp.NoTLS {
					clientSays(conn, "C: ", "220 go ahead")
					clientSays(tls.Server(conn, server), "C: ", "250-mx", "250-SIZE 1000", "250 X-ODD c d", "C: ")
				}
			}, func(t *testing.T, c *smtp.Client, err error) {
				if c != nil {
					err = c.VerifyError()
				}
				if (c != nil) != test.opens || err == nil && test.want != "" || err != nil && (test.want == "" || !strings.Contains(err.Error(), test.want)) {
					t.Errorf("opened %v, %v; want %v, %q", c != nil, err, test.opens, test.want)
				}
				if c == nil {
					return
				}
				params, ok := c.Extension("x-odd")
				if (c.TLS() != nil) != (test.mode != smtp.NoTLS) || !ok || c.TLS() != nil && params != "c d" || c.TLS() == nil && params != "a b" {
					t.Errorf("TLS %v, X-ODD %q %v", c.TLS() != nil, params, ok)
				}
				if _, ok := c.Extension("DSN"); ok || c.Authenticated() || c.RemoteAddr().String() != "192.0.2.1:25" || (c.MaxSize() == 1000) != (c.TLS() != nil) {
					t.Errorf("DSN %v, authenticated %v, remote %v, size %d", ok, c.Authenticated(), c.RemoteAddr(), c.MaxSize())
				}
			})
		})
	}
}

// clientSASL is a mechanism of one step.
type clientSASL struct {
	mechanism string
	initial   []byte
	err       error
}

func (s clientSASL) Start() (string, []byte, error) { return s.mechanism, s.initial, s.err }
func (s clientSASL) Next(challenge []byte) ([]byte, error) {
	return append([]byte("re: "), challenge...), nil
}

func TestAnAuthFuncChoosesTheMechanism(t *testing.T) {
	for _, test := range []struct {
		name   string
		client sasl.Client
		says   []string
		want   string // what the server hears
		code   string // of the error, empty for none
	}{
		{"empty initial response", sasl.NewExternalClient(""), []string{"235 ok"}, "AUTH EXTERNAL =\r\n", ""},
		{"challenge", clientSASL{mechanism: "X-ONE"}, []string{"334 YQ==", "C: ", "235 ok"}, "AUTH X-ONE\r\ncmU6IGE=\r\n", ""},
		{"empty challenge", clientSASL{mechanism: "X-ONE"}, []string{"334", "C: ", "235 ok"}, "AUTH X-ONE\r\ncmU6IA==\r\n", ""},
		{"refused for now", clientSASL{mechanism: "X-ONE"}, []string{"454 4.7.0 later"}, "AUTH X-ONE\r\nQUIT\r\n", "4.7.0"},
		{"start fails", clientSASL{mechanism: "X-ONE", err: io.ErrNoProgress}, nil, "QUIT\r\n", "4.7.0"},
		{"bad mechanism", clientSASL{mechanism: "X\r\nMAIL FROM:<>"}, nil, "QUIT\r\n", "4.7.0"},
		{"dialogue without end", clientSASL{mechanism: "X-ONE"}, []string{strings.Repeat("334\r\n", 17) + "501 5.0.0 cancelled"}, "AUTH X-ONE\r\n" + strings.Repeat("cmU6IA==\r\n", 16) + "*\r\nQUIT\r\n", "4.7.0"},
	} {
		t.Run(test.name, func(t *testing.T) {
			d := smtp.Dialer{Hostname: "client.example.net", AllowInsecureAuth: true}
			d.Auth = func(mechanisms []string, state *tls.ConnectionState) (sasl.Client, error) {
				if !slices.Equal(mechanisms, []string{"X-ONE", "EXTERNAL"}) || state != nil {
					t.Errorf("offered %q, TLS %v", mechanisms, state)
				}
				return test.client, nil
			}
			var heard bytes.Buffer
			clientAgainst(t, d, func(conn net.Conn) {
				clientSays(conn, "220 mx", "C: ", "250-mx", "250 AUTH X-ONE external")
				buf := make([]byte, 4096)
				for _, line := range append([]string{"C: "}, test.says...) {
					if line != "C: " {
						fmt.Fprintf(conn, "%s\r\n", line)
						continue
					}
					n, _ := conn.Read(buf)
					heard.Write(buf[:n])
				}
				conn.(*mailtest.Conn).CloseWrite()
				io.Copy(&heard, conn)
			}, func(t *testing.T, c *smtp.Client, err error) {
				if test.code != "" {
					clientWantError(t, err, smtp.StageAuth, test.code)
				} else if err != nil || !c.Authenticated() {
					t.Errorf("authenticated %v, %v", c != nil && c.Authenticated(), err)
				}
			})
			if heard.String() != test.want {
				t.Errorf("the server heard %q, want %q", &heard, test.want)
			}
		})
	}
}

func TestAServerWithACertificateThatTheUserLetPassGetsThePassword(t *testing.T) {
	server, _ := mailtest.TLS(t)
	d := smtp.Dialer{Hostname: "client.example.net", TLS: smtp.RequireTLS, TLSConfig: &tls.Config{InsecureSkipVerify: true}, Auth: smtp.PasswordAuth("ann", "secret")}
	clientAgainst(t, d, func(conn net.Conn) {
		clientSays(conn, "220 mx", "C: ", "250-mx", "250 STARTTLS", "C: ", "220 go ahead")
		clientSays(tls.Server(conn, server), "C: ", "250-mx", "250 AUTH PLAIN", "C: ", "235 ok", "C: ")
	}, func(t *testing.T, c *smtp.Client, err error) {
		if err != nil || !c.Authenticated() {
			t.Errorf("got %v", err)
		}
	})
}

func TestLMTPGoesOverAUnixSocket(t *testing.T) {
	d := smtp.Dialer{Network: "unix", LMTP: true, DialContext: func(_ context.Context, network, addr string) (net.Conn, error) {
		if network != "unix" || addr != "/run/lmtp" {
			t.Errorf("dialled %s %s", network, addr)
		}
		near, far := mailtest.Pipe()
		go clientSays(far, "220 mx", "C: ", "250 mx", "C: ")
		return clientUnixConn{near}, nil
	}}
	var said []string
	d.Transcript = func(line string) { said = append(said, line) }
	c, err := d.Connect(t.Context(), "/run/lmtp")
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	if !slices.Contains(said, "C: LHLO localhost") {
		t.Errorf("said %q", said)
	}
}

// clientUnixConn has the address of a socket in the file system.
type clientUnixConn struct{ net.Conn }

func (clientUnixConn) LocalAddr() net.Addr { return &net.UnixAddr{Net: "unix"} }
