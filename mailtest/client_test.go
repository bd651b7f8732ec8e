package mailtest

import (
	"bufio"
	"context"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// demoClient is a small client: it greets, upgrades to TLS if that is offered, and hands over a message.
type demoClient struct {
	network *Network
	tls     *tls.Config
	addr    string
}

func (d *demoClient) send(message string) error {
	conn, err := d.network.DialContext(context.Background(), "tcp", d.addr)
	if err != nil {
		return err
	}
	defer func() { conn.Close() }()
	conn.SetDeadline(time.Now().Add(5 * time.Minute))
	r := bufio.NewReader(conn)
	say := func(text string) (string, error) {
		if text != "" {
			if _, err := io.WriteString(conn, text+"\r\n"); err != nil {
				return "", err
			}
		}
		line, err := r.ReadString('\n')
		if err == nil && line[0] > '3' {
			err = fmt.Errorf("server said %s", strings.TrimSpace(line))
		}
		return line, err
	}
	if _, err := say(""); err != nil {
		return err
	}
	offer, err := say("EHLO client.example.net")
	if err != nil {
		return err
	}
	if strings.Contains(offer, "STARTTLS") {
		if _, err := say("STARTTLS"); err != nil {
			return err
		}
		if r.Buffered() > 0 {
			return fmt.Errorf("plaintext before TLS")
		}
		c := tls.Client(conn, d.tls)
		if err := c.Handshake(); err != nil {
			return fmt.Errorf("TLS: %w", err)
		}
		conn, r = c, bufio.NewReader(c)
	}
	if _, err := say("KEEP " + message); err != nil {
		return err
	}
	_, err = say("QUIT")
	return err
}

// clientScript plays the server; the section "result" is what the client reports.
func clientScript(t *testing.T) Script {
	server, client := TLS(t, "192.0.2.1")
	var result error
	return Script{
		Play: Server,
		TLS:  server,
		Start: func(t *testing.T, n *Network) {
			d := &demoClient{network: n, tls: client, addr: "192.0.2.1:25"}
			result = d.send("hello")
			if result != nil && strings.Contains(result.Error(), "421") {
				result = d.send("hello again")
			}
		},
		Check: func(t *testing.T, section string) string { return fmt.Sprint(result) },
	}
}

func TestScriptsPlayTheServer(t *testing.T) { RunScripts(t, "testdata/client", clientScript(t)) }

func TestWrongServerScriptsFail(t *testing.T) {
	const greeting = "S: 220 hello\nC: EHLO ...\nS: 250 hello\n"
	for _, test := range []struct{ name, text, want string }{
		{"another line", greeting + "C: NOOP\n", "got  C: KEEP hello"},
		{"nothing said", greeting + "C: KEEP hello\nC: more\n", "nothing came within 1s"},
		{"more said", greeting, "got  C: KEEP hello"},
		{"gone", greeting + "C: KEEP hello\nS: 250\nC: QUIT\nS: 221 bye\nC: NOOP\n", "the connection was closed"},
		{"no second connection", "S2: 220 hello\n", "test.txt:1: the client did not connect"},
		{"a second connection", "S: 421 busy\nC: (closed)\n", "the client made a connection that the script does not mention"},
		{"another result", greeting + "C: KEEP hello\nS: 550 no\n-- result --\nokay\n", "-- got --\nserver said 550 no"},
	} {
		t.Run(test.name, func(t *testing.T) {
			s := clientScript(t)
			text := test.text
			if test.name == "no second connection" {
				s.Start = func(t *testing.T, n *Network) {}
			}
			if failure, _ := verdict(t, s, text); !strings.Contains(failure, test.want) {
				t.Errorf("got failure:\n%s\nwant one with %q", failure, test.want)
			}
		})
	}
}

func TestImplicitTLSGoesBothWays(t *testing.T) {
	server, client := TLS(t)
	s := Script{TLS: client, ImplicitTLS: true, Start: func(t *testing.T, n *Network) {
		l, err := n.Listen("tcp", "192.0.2.1:25")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			c, err := l.Accept()
			if err != nil {
				return
			}
			defer c.Close()
			fmt.Fprint(tls.Server(c, server), "220 over TLS\r\n")
		}()
	}}
	if failure, _ := verdict(t, s, "S: 220 over TLS\nS: (closed)\n"); failure != "" {
		t.Error(failure)
	}
	s = Script{Play: Server, TLS: server, ImplicitTLS: true, Start: func(t *testing.T, n *Network) {
		c, err := (&tlsDialer{n, client}).dial()
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprint(c, "NOOP\r\n")
	}}
	if failure, _ := verdict(t, s, "C: NOOP\nC: (closed)\n"); failure != "" {
		t.Error(failure)
	}
}

type tlsDialer struct {
	network *Network
	config  *tls.Config
}

func (d *tlsDialer) dial() (net.Conn, error) {
	c, err := d.network.DialContext(context.Background(), "tcp", "192.0.2.1:25")
	if err != nil {
		return nil, err
	}
	return tls.Client(c, d.config), nil
}
