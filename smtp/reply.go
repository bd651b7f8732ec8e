package smtp

import (
	"log/slog"
	"strings"
	"unicode/utf8"

	"github.com/postrider/postrider"
)

// maxReplyLine is the longest line of a reply, with its CRLF (RFC 5321 §4.5.3.1.5).
const maxReplyLine = 512

// reply answers with the lines, at least one, of ASCII; other characters become question
// marks. The enhanced code stands on each (RFC 2034 §4) and is empty only in the
// greeting, in replies to EHLO and HELO, and in 3yz.
func (c *serverConn) reply(code int, enhanced string, lines ...string) {
	c.replyLines(code, enhanced, false, lines)
}

func (c *serverConn) replyLines(code int, enhanced string, utf8 bool, lines []string) {
	for i, line := range lines {
		rest := line
		for {
			line, rest = cutReply(rest, maxReplyLine-len("250 ")-len(enhanced)-len(" \r\n"))
			sep := byte('-')
			if rest == "" && i == len(lines)-1 {
				sep = ' '
			}
			c.replyLine(code, sep, enhanced, line, utf8)
			if rest == "" {
				break
			}
		}
	}
}

func (c *serverConn) replyLine(code int, sep byte, enhanced, text string, utf8 bool) {
	head := [4]byte{'0' + byte(code/100), '0' + byte(code/10%10), '0' + byte(code%10), sep}
	for _, b := range head {
		c.out.WriteByte(b)
	}
	if enhanced != "" {
		c.out.WriteString(enhanced)
		c.out.WriteByte(' ')
	}
	c.out.WriteString(printable(text, utf8))
	c.out.WriteString("\r\n")
}

// cutReply cuts off what fits into n octets, at a character's border where there is one.
func cutReply(s string, n int) (line, rest string) {
	if len(s) <= n {
		return s, ""
	}
	border := n
	for border > n-utf8.UTFMax && !utf8.RuneStart(s[border]) {
		border--
	}
	if !utf8.RuneStart(s[border]) {
		border = n // no UTF-8
	}
	return s[:border], s[border:]
}

// printable returns s fit for the text of a reply.
func printable(s string, utf8ok bool) string {
	plain := true
	for i := range len(s) {
		if s[i] < ' ' || s[i] > '~' {
			plain = false
			break
		}
	}
	if plain {
		return s
	}
	return strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f || r == utf8.RuneError || r > '~' && !utf8ok {
			return '?'
		}
		return r
	}, s)
}

// protest answers a command that breaks the rules of the protocol, and counts it.
func (c *serverConn) protest(code int, enhanced, text string) {
	if c.errors++; c.set.maxErrors > 0 && c.errors > c.set.maxErrors {
		c.giveUp(errTooManyErrors)
		return
	}
	c.log(slog.LevelDebug, "protest", slog.Int("code", code), slog.String("err", text))
	c.reply(code, enhanced, text)
}

// refuse answers with a status of class 4 or 5 and logs it.
func (c *serverConn) refuse(st *postrider.Status, attrs ...slog.Attr) {
	c.logRefusal(st, attrs...)
	c.answer(st, false)
	if code, _ := replyCodes(st); code == 421 {
		c.end(errRefused)
	}
}

func (c *serverConn) logRefusal(st *postrider.Status, attrs ...slog.Attr) {
	event := "reject"
	if st.Temporary() {
		event = "defer"
	}
	c.log(slog.LevelInfo, event, append(attrs, slog.String("err", st.Error()))...)
}

// answer sends a status. Its text may hold UTF-8 if the command said so, or where it names another address
// in a transaction with SMTPUTF8 (RFC 6531 §3.7.4).
func (c *serverConn) answer(st *postrider.Status, utf8 bool) {
	code, enhanced := replyCodes(st)
	utf8 = utf8 || (code == 251 || code == 551) && c.tx != nil && c.tx.Envelope.SMTPUTF8
	lines := st.Lines()
	if st.Text == "" {
		lines[0] = defaultText[code/100]
	}
	c.replyLines(code, enhanced, utf8, lines)
}

// defaultText stands in for a Status without one.
var defaultText = map[int]string{2: "ok", 4: "try again later", 5: "refused"}

// replyCodes returns the codes of a status. The code 421 closes the connection, so it is sent only
// where somebody wrote it by hand: a Status 4.4.2 may tell of quite another connection.
func replyCodes(st *postrider.Status) (code int, enhanced string) {
	code = st.ReplyCode()
	if code == 421 && st.Reply != 421 {
		code = 451
	}
	return code, st.EnhancedCode()
}

// accepts reports whether st lets a command pass: none does, and any of class 2.
func accepts(st *postrider.Status) bool { return st == nil || !st.Temporary() && !st.Permanent() }

// textOr returns the text of a status that accepts, or another for none.
func textOr(st *postrider.Status, text string) string {
	if st == nil || st.Text == "" {
		return text
	}
	return st.Text
}
