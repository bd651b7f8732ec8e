package mailtest

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// player plays one dialogue, line by line, in one goroutine.
type player struct {
	t        *testing.T
	d        *dialogue
	script   Script
	network  *Network
	peers    map[string]*peer
	order    []*peer // as they first spoke
	vars     map[string]string
	accepted chan net.Conn // with Play: Server, the connections of the client under test
	said     []string      // the dialogue as it happened
	failure  string
}

func newPlayer(t *testing.T, d *dialogue, s Script) *player {
	return &player{t: t, d: d, script: s, network: new(Network), peers: make(map[string]*peer), vars: make(map[string]string)}
}

// playClient runs the script against a server.
func (p *player) playClient() {
	p.script.Start(p.t, p.network)
	p.run()
	p.checkRest()
	p.checkSections()
	p.hangUp()
}

// playServer runs the script for a client. Start keeps the goroutine of the test, so that it may call t.Fatal; the script runs beside it.
func (p *player) playServer() {
	l, err := p.network.Listen("tcp", p.script.Addr)
	if err != nil {
		p.t.Fatal(err)
	}
	p.accepted = make(chan net.Conn, backlog)
	started, played := make(chan struct{}), make(chan struct{})
	go p.accept(l)
	go func() {
		defer close(played)
		p.run()
		if p.failure == "" {
			p.await(started)
		}
		p.checkRest()
		l.Close()
		for c := range p.accepted {
			c.Close()
		}
		p.hangUp()
	}()
	func() {
		defer func() { // even if Start calls t.Fatal
			close(started)
			<-played
		}()
		p.script.Start(p.t, p.network)
	}()
	p.checkSections()
}

// accept takes the connections of the client under test until l is closed.
func (p *player) accept(l net.Listener) {
	defer close(p.accepted)
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		p.accepted <- c
	}
}

// await waits until the client under test is through, or waits itself for what the script does not say.
func (p *player) await(started <-chan struct{}) {
	select {
	case <-started:
	case <-time.After(p.script.Timeout):
	}
}

// run plays the steps until one fails.
func (p *player) run() {
	for i, s := range p.d.steps {
		if err := p.step(s); err != nil {
			p.fail(s, err)
			return
		}
		if p.script.Update {
			p.addMissing(s, p.d.steps[i+1:])
		}
	}
	if err := p.flush(nil); err != nil {
		p.fail(nil, err)
	}
}

// step plays one line.
func (p *player) step(s *step) error {
	if s.kind == remark {
		return nil
	}
	if err := p.flush(s); err != nil {
		return err
	}
	switch s.kind {
	case wait:
		p.note(s.raw)
		time.Sleep(s.wait)
		synctest.Wait()
		return nil
	case do:
		return p.do(s)
	}
	c := p.peers[s.who]
	if c == nil {
		c = &peer{who: s.who, timeout: p.script.Timeout}
		p.peers[s.who] = c
		p.order = append(p.order, c)
	}
	if s.kind == connectTo {
		p.note(s.raw)
		return p.connect(c, s.args)
	}
	if c.conn == nil {
		if err := p.connect(c, ""); err != nil {
			return err
		}
		p.addGreeting(c, s)
	}
	if s.expects() {
		return p.listen(c, s)
	}
	return p.speak(c, s)
}

// flush sends what is collected, unless s adds to it: what a client says in a row travels in one piece, as pipelined
// commands do. First everybody else comes to rest, so that nothing depends on the scheduler.
func (p *player) flush(s *step) error {
	for _, c := range p.order {
		if len(c.out) == 0 || s != nil && s.kind == send && s.who == c.who {
			continue
		}
		synctest.Wait()
		if err := c.flush(); err != nil {
			return err
		}
	}
	return nil
}

// do runs a line for the caller.
func (p *player) do(s *step) error {
	if p.script.Do == nil {
		return errors.New("Script.Do is nil")
	}
	p.note(s.raw)
	synctest.Wait()
	err := p.script.Do(p.t, s.args)
	synctest.Wait()
	return err
}

// speak plays a line of our side.
func (p *player) speak(c *peer, s *step) error {
	p.note(s.raw)
	switch s.kind {
	case send:
		octets, err := s.text.expand(p.vars)
		c.out = append(c.out, octets...)
		return err
	case closeConn:
		return c.close()
	case closeWrite:
		return c.conn.(interface{ CloseWrite() error }).CloseWrite()
	case resetConn:
		c.reset()
		return nil
	case startTLS:
		return p.handshake(c)
	}
	err := p.handshake(c) // startTLSFails
	switch {
	case err == nil:
		return errors.New("the TLS handshake succeeded")
	case isTimeout(err):
		return fmt.Errorf("the TLS handshake hangs: %w", err)
	}
	return c.close()
}

// connect gives c a new connection: one that it dials, or with Play: Server the next that the client under test makes.
func (p *player) connect(c *peer, args string) error {
	from, to, implicit := "", p.script.Addr, p.script.ImplicitTLS
	words := strings.Fields(args)
	for len(words) > 0 {
		switch {
		case words[0] == "tls":
			implicit, words = true, words[1:]
		case words[0] == "from" && len(words) > 1:
			from, words = words[1], words[2:]
		case words[0] == "to" && len(words) > 1:
			to, words = words[1], words[2:]
		default:
			return fmt.Errorf("(connect) knows from ADDRESS, to ADDRESS:PORT and tls, not %q", words[0])
		}
	}
	c.hangUp()
	conn, err := p.dial(from, to)
	if err != nil {
		return err
	}
	c.attach(conn)
	if implicit {
		return p.handshake(c)
	}
	return nil
}

func (p *player) dial(from, to string) (net.Conn, error) {
	timeout := time.NewTimer(p.script.Timeout)
	defer timeout.Stop()
	if p.script.Play == Server {
		select {
		case conn := <-p.accepted:
			return conn, nil
		case <-timeout.C:
			return nil, errors.New("the client did not connect")
		}
	}
	ctx, cancel := context.WithTimeout(context.Background(), p.script.Timeout)
	defer cancel()
	if from != "" {
		return p.network.From(from).DialContext(ctx, "tcp", to)
	}
	return p.network.DialContext(ctx, "tcp", to)
}

// handshake puts TLS over the connection.
func (p *player) handshake(c *peer) error {
	config := p.script.TLS
	switch {
	case config == nil:
		return errors.New("Script.TLS is nil")
	case len(c.in) > 0:
		return fmt.Errorf("before TLS there is still %q", c.in)
	case p.script.Play == Server:
		return c.handshake(tls.Server(c.conn, config))
	}
	return c.handshake(tls.Client(c.conn, config))
}

// checkRest fails the script if something was said that it does not mention.
func (p *player) checkRest() {
	if p.failure != "" {
		return
	}
	synctest.Wait()
	for _, c := range p.order {
		c.poll()
		if len(c.in) > 0 {
			p.fail(nil, &unexpected{label: p.otherSide(c), got: c.in})
			return
		}
	}
	if len(p.accepted) > 0 {
		p.fail(nil, errors.New("the client made a connection that the script does not mention"))
	}
}

// hangUp closes all connections.
func (p *player) hangUp() {
	for _, c := range p.order {
		c.hangUp()
	}
	synctest.Wait()
}

// checkSections compares the sections of the file with what Script.Check says.
func (p *player) checkSections() {
	for i := range p.d.sections {
		s := &p.d.sections[i]
		if p.failure != "" {
			return
		}
		if p.script.Check == nil {
			p.failure = fmt.Sprintf("%s: section %s, but Script.Check is nil", p.d.file, s.name)
			return
		}
		got, want := strings.TrimRight(p.script.Check(p.t, s.name), "\n"), strings.TrimRight(s.text, "\n")
		switch {
		case got == want:
		case p.script.Update:
			s.text = got + "\n"
		default:
			p.failure = fmt.Sprintf("%s: section %s is different\n-- want --\n%s\n-- got --\n%s", p.d.file, s.name, want, got)
		}
	}
}

// otherSide is the label of what the side under test says to c: "S2:" and the like.
func (p *player) otherSide(c *peer) string {
	if p.script.Play == Server {
		return "C" + c.who + ":"
	}
	return "S" + c.who + ":"
}

// note adds a line to the dialogue that a failure prints.
func (p *player) note(line string) { p.said = append(p.said, line) }

// fail notes why the script fails at s, or at its end if s is nil, with the dialogue so far.
func (p *player) fail(s *step, err error) {
	at, number := "(end)", len(p.d.steps)
	if s != nil {
		at, number = s.raw, s.number
	}
	if s != nil && !s.expects() && len(p.said) > 0 && p.said[len(p.said)-1] == s.raw {
		p.said = p.said[:len(p.said)-1] // it gets its mark below
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s:%d: %v\n", p.d.file, number, err)
	for _, line := range p.said {
		fmt.Fprintf(&b, "    %s\n", shorten(line))
	}
	fmt.Fprintf(&b, "  > %s", shorten(at))
	p.failure = b.String()
}

// report fails the test if the script failed.
func (p *player) report() {
	if p.failure != "" {
		p.t.Error(p.failure)
	}
}

// shorten keeps long payloads out of messages.
func shorten(line string) string {
	if len(line) <= 200 {
		return line
	}
	return fmt.Sprintf("%s... (%d octets)", line[:180], len(line))
}
