package smtp

import (
	"slices"
)

// A serverCommand is a row in the table of verbs.
type serverCommand struct {
	verb string
	run  func(c *serverConn, arg string)
	// needs is what must be true of the session, else the command is out of order.
	needs state
	// available reports whether this server has the command at all. Nil is always.
	available func(c *serverConn) bool
	// bare says that the command has no argument (RFC 5321 §4.3.2).
	bare bool
	// text says that the argument may have UTF-8 (RFC 6531 §3).
	text bool
	// junk says that the command does nothing for a message.
	junk bool
	// batch says that the reply may wait for those of the commands that came along
	// (RFC 2920 §3.2). All others leave at once.
	batch bool
	// protocol limits the command to SMTP or LMTP.
	protocol protocol
	// help is its syntax.
	help string
}

// state is what a command may need, combined.
type state uint8

const (
	needsHello       state = 1 << iota // EHLO, HELO or LHLO before
	needsEHLO                          // EHLO or LHLO before: the command is an extension's
	needsLogin                         // AUTH before, on a server for submission
	needsTransaction                   // MAIL before
	needsNoTransaction
)

type protocol uint8

const (
	smtpAndLMTP protocol = iota
	smtpOnly
	lmtpOnly
)

// serverCommands returns all there are, in the order of HELP's reply.
func serverCommands() []*serverCommand {
	return []*serverCommand{
		{verb: "HELO", run: (*serverConn).helo, protocol: smtpOnly, junk: true, help: "HELO domain"},
		{verb: "EHLO", run: (*serverConn).ehlo, protocol: smtpOnly, junk: true, help: "EHLO domain"},
		{verb: "LHLO", run: (*serverConn).ehlo, protocol: lmtpOnly, junk: true, help: "LHLO domain"},
		{verb: "STARTTLS", run: (*serverConn).startTLS, available: (*serverConn).hasTLS, needs: needsEHLO, bare: true, help: "STARTTLS"},
		{verb: "AUTH", run: (*serverConn).auth, available: (*serverConn).hasAuth, needs: needsEHLO | needsNoTransaction, help: "AUTH mechanism [initial-response]"},
		{verb: "MAIL", run: (*serverConn).mail, needs: needsHello | needsLogin | needsNoTransaction, text: true, batch: true, help: "MAIL FROM:<reverse-path> [parameters]"},
		{verb: "RCPT", run: (*serverConn).rcpt, needs: needsHello | needsLogin | needsTransaction, text: true, batch: true, help: "RCPT TO:<forward-path> [parameters]"},
		{verb: "DATA", run: (*serverConn).data, needs: needsHello | needsLogin | needsTransaction, bare: true, help: "DATA"},
		{verb: "RSET", run: (*serverConn).rset, bare: true, junk: true, batch: true, help: "RSET"},
		{verb: "VRFY", run: (*serverConn).vrfy, needs: needsLogin, text: true, junk: true, help: "VRFY string"},
		{verb: "EXPN", run: (*serverConn).expn, available: (*serverConn).hasExpn, needs: needsLogin, text: true, junk: true, help: "EXPN string"},
		{verb: "HELP", run: (*serverConn).help, junk: true, help: "HELP [verb]"},
		{verb: "NOOP", run: (*serverConn).noop, text: true, junk: true, help: "NOOP [string]"},
		{verb: "QUIT", run: (*serverConn).quit, bare: true, help: "QUIT"},
	}
}

// commandTable finds the commands of SMTP or LMTP by verb.
func commandTable(lmtp bool) map[string]*serverCommand {
	table := make(map[string]*serverCommand)
	for _, cmd := range serverCommands() {
		if cmd.protocol == smtpAndLMTP || lmtp == (cmd.protocol == lmtpOnly) {
			table[cmd.verb] = cmd
		}
	}
	return table
}

// dispatch answers one command line.
func (c *serverConn) dispatch(line []byte) {
	var buf [maxVerb]byte
	verb, arg := cutVerb(line, &buf)
	cmd := c.set.commands[string(verb)]
	if c.admits(cmd, line, arg) {
		cmd.run(c, string(arg))
	}
	if cmd == nil || !cmd.batch || c.ended {
		if err := c.out.Flush(); err != nil {
			c.end(err)
		}
	}
}

// admits answers what is wrong with a command, whatever its argument means.
func (c *serverConn) admits(cmd *serverCommand, line, arg []byte) bool {
	switch {
	case cmd == nil:
		c.protest(500, "5.5.1", "command not recognized")
	case c.turnedAway && cmd.verb != "QUIT":
		c.protestHello(cmd, 503, "5.5.1", "no mail is taken from you here; QUIT")
	case len(line)+len("\r\n") > c.set.maxLine && cmd.verb != "AUTH":
		c.tooLong(line)
	case hasControl(line) || !cmd.text && hasEightBit(line):
		c.protestHello(cmd, 501, "5.5.2", "character not allowed in a command")
	case cmd.available != nil && !cmd.available(c):
		c.protest(502, "5.5.1", cmd.verb+" is not available")
	case cmd.bare && len(arg) > 0:
		c.protest(501, "5.5.4", cmd.verb+" has no argument")
	case cmd.junk && c.tooMuchJunk():
	default:
		return c.inOrder(cmd)
	}
	return false
}

// inOrder answers a command that the session is not ready for.
func (c *serverConn) inOrder(cmd *serverCommand) bool {
	switch needs := cmd.needs; {
	case needs&needsHello != 0 && c.session.Hello == "":
		c.protest(503, "5.5.1", cmd.verb+" needs "+c.helloVerb()+" first")
	case needs&needsEHLO != 0 && !c.session.Extended:
		c.protest(503, "5.5.1", cmd.verb+" needs "+c.helloVerb()+" first")
	case needs&needsLogin != 0 && c.server.Submission && c.session.Identity == nil:
		c.protest(530, "5.7.0", "authentication required")
	case needs&needsTransaction != 0 && c.tx == nil:
		c.protest(503, "5.5.1", cmd.verb+" needs MAIL first")
	case needs&needsNoTransaction != 0 && c.tx != nil:
		c.protest(503, "5.5.1", cmd.verb+" is not allowed in a transaction")
	default:
		return true
	}
	return false
}

func (c *serverConn) helloVerb() string {
	if c.server.LMTP {
		return "LHLO"
	}
	return "EHLO"
}

// tooLong answers a line of too many octets, of which it has the first.
func (c *serverConn) tooLong(head []byte) {
	var buf [maxVerb]byte
	verb, _ := cutVerb(head, &buf)
	switch cmd := c.set.commands[string(verb)]; {
	case cmd == nil:
		c.protest(500, "5.5.2", "line too long")
	case cmd.verb == "AUTH":
		c.protest(500, "5.5.6", "line of the authentication exchange is too long")
	default:
		c.protestHello(cmd, 500, "5.5.2", "line too long")
	}
}

// protestHello is protest, but without an enhanced code for EHLO and its kin (RFC 2034 §3).
func (c *serverConn) protestHello(cmd *serverCommand, code int, enhanced, text string) {
	if cmd.protocol != smtpAndLMTP {
		enhanced = ""
	}
	c.protest(code, enhanced, text)
}

// tooMuchJunk counts a command that does nothing for a message.
func (c *serverConn) tooMuchJunk() bool {
	if c.junk++; c.set.maxJunk == 0 || c.junk <= c.set.maxJunk {
		return false
	}
	c.giveUp(errTooMuchJunk)
	return true
}

func hasEightBit(b []byte) bool {
	return slices.ContainsFunc(b, func(c byte) bool { return c >= 0x80 })
}
