package relay_test

import (
	"bufio"
	"context"
	"crypto/tls"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// A script is a server that replies as told: by "greeting", a verb, a verb with the local-part of its path, or "." for the message. What
// is not told succeeds, but for STARTTLS. Lines of a reply are parted by "|". "(close)" at the end closes the connection, and "(stall)" says no
// more.
type script map[string]string

// play serves connections to addr by the script.
func (w *world) play(addr string, s script) {
	w.t.Helper()
	w.listen(addr, func(conn net.Conn) {
		p := w.player(conn, s)
		if !p.reply("greeting", "220 mx ready") {
			return
		}
		for p.next() {
		}
	})
}

func (w *world) player(conn net.Conn, s script) *player {
	return &player{world: w, script: s, conn: conn, r: bufio.NewReader(conn)}
}

type player struct {
	*world
	script   script
	conn     net.Conn
	r        *bufio.Reader
	messages int // that came to their dot
}

func (p *player) next() bool {
	line, err := p.r.ReadString('\n')
	if err != nil {
		return false
	}
	line = strings.TrimSuffix(line, "\r\n")
	p.hear(line)
	verb := strings.ToUpper(strings.FieldsFunc(line+" ", func(r rune) bool { return r == ' ' })[0])
	switch verb {
	case "QUIT":
		p.reply(verb, "221 bye")
		return false
	case "DATA":
		return p.reply(verb, "354 go ahead") && (!strings.HasPrefix(p.told(verb, "354"), "354") || p.message())
	case "STARTTLS":
		return p.reply(verb, "502 no") && (!strings.HasPrefix(p.told(verb, ""), "220") || p.handshake())
	case "MAIL", "RCPT":
		_, path, _ := strings.Cut(line, "<")
		local, _, _ := strings.Cut(path, "@")
		if _, ok := p.script[verb+" "+local]; ok {
			verb += " " + local
		}
	}
	return p.reply(verb, "250 fine")
}

// handshake goes on with TLS.
func (p *player) handshake() bool {
	conn := tls.Server(p.conn, p.tls)
	p.conn, p.r = conn, bufio.NewReader(conn)
	return conn.Handshake() == nil
}

// message reads the message up to its dot.
func (p *player) message() bool {
	for {
		line, err := p.r.ReadString('\n')
		if err != nil {
			return false
		}
		if line == ".\r\n" {
			p.messages++
			return p.reply(".", "250 2.0.0 taken")
		}
	}
}

func (p *player) told(step, otherwise string) string {
	if told, ok := p.script[step]; ok {
		return told
	}
	return otherwise
}

// reply gives the reply of a step, and reports whether the session goes on.
func (p *player) reply(step, otherwise string) bool {
	text, closes := strings.CutSuffix(p.told(step, otherwise), "(close)")
	text, stalls := strings.CutSuffix(text, "(stall)")
	if text = strings.TrimSpace(text); text != "" {
		p.conn.Write([]byte(strings.ReplaceAll(text, "|", "\r\n") + "\r\n"))
	}
	if stalls {
		p.r.WriteTo(io.Discard)
	}
	return !closes && !stalls
}

// hear notes a command.
func (w *world) hear(line string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.heard = append(w.heard, line)
}

// commands returns what the scripted servers were told since the last call.
func (w *world) commands() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	s := strings.Join(w.heard, "\n")
	w.heard = nil
	return s
}

// few serves at addr a server that takes few recipients at a time, and refuses the others with the reply.
func (w *world) few(addr string, limit int, reply string) {
	w.listen(addr, func(conn net.Conn) {
		r := bufio.NewReader(conn)
		say := func(s string) { conn.Write([]byte(s + "\r\n")) }
		say("220 mx ready")
		var to []string
		for {
			line, err := r.ReadString('\n')
			switch {
			case err != nil:
				return
			case strings.HasPrefix(line, "RCPT TO:<") && len(to) >= limit:
				say(reply)
			case strings.HasPrefix(line, "RCPT TO:<"):
				local, _, _ := strings.Cut(line[9:], "@")
				to = append(to, local)
				say("250 fine")
			case line == "DATA\r\n":
				say("354 go ahead")
			case line == ".\r\n":
				w.note("took " + strings.Join(to, ","))
				to = nil
				say("250 2.0.0 taken")
			case strings.HasPrefix(line, "EHLO"), strings.HasPrefix(line, "MAIL"):
				say("250 fine")
			}
		}
	})
}

// swallow makes all connections from now on wait for ever, as through a firewall.
func (w *world) swallow() {
	w.net.Dialing = func(ctx context.Context, _, _ netip.AddrPort) error {
		<-ctx.Done()
		return ctx.Err()
	}
}

// refuse makes all connections from now on fail.
func (w *world) refuse(err error) {
	w.net.Dialing = func(context.Context, netip.AddrPort, netip.AddrPort) error { return err }
}

func withTimeout(t *testing.T, d time.Duration) (context.Context, context.CancelFunc) {
	return context.WithTimeout(t.Context(), d)
}

// count returns how many of the lines begin with prefix.
func count(lines, prefix string) int { return strings.Count("\n"+lines, "\n"+prefix) }
