package smtp

import (
	"bytes"
	"fmt"
	"io"
	"strconv"
	"strings"

	"github.com/postrider/postrider"
	"github.com/postrider/postrider/internal/wire"
)

// Bounds of a reply. RFC 5321 §4.5.3.1.5 asks for 512 octets a line, RFC 4954 §4 for 12288 in a login.
const (
	clientReplyLine  = 12 << 10 // octets of a line, with CRLF
	clientReplyLines = 500
	clientReplySize  = 64 << 10 // octets of all lines
	clientReplyKept  = 2 << 10  // octets of text that outlive the reply
)

// A clientReply is one reply of a server (RFC 5321 §4.2), valid until the next is read.
type clientReply struct {
	code  int    // 200 to 599
	text  []byte // the lines' texts, with a line feed between them
	lines int
}

// class is the first digit, by which alone a reply is judged (RFC 5321 §4.3.2).
func (r clientReply) class() int { return r.code / 100 }

// String returns the reply as it came, bounded and printable, its lines joined by line feeds.
func (r clientReply) String() string {
	var b strings.Builder
	for i, line := range strings.Split(clientPrintable(r.text), "\n") {
		if i > 0 {
			b.WriteByte('\n')
		}
		b.WriteString(strconv.Itoa(r.code))
		switch {
		case i < r.lines-1:
			b.WriteByte('-')
		case line != "":
			b.WriteByte(' ')
		}
		b.WriteString(line)
	}
	return b.String()
}

// status is what the reply says, its enhanced code (RFC 2034 §3) apart from its text. A code of another class than the reply's is
// no code: the reply decides.
func (r clientReply) status() *postrider.Status {
	lines := strings.Split(clientPrintable(r.text), "\n")
	code, _ := clientCutEnhanced(lines[0])
	if code != "" && int(code[0]-'0') != r.class() {
		code = ""
	}
	for i, line := range lines {
		if own, rest := clientCutEnhanced(line); own != "" && own == code {
			lines[i] = rest
		}
	}
	return &postrider.Status{Code: code, Reply: r.code, Text: strings.Join(lines, "\n")}
}

// clientCutEnhanced cuts the enhanced status code off the start of line, if there is one (RFC 3463 §2).
func clientCutEnhanced(line string) (code, rest string) {
	code, rest, _ = strings.Cut(line, " ")
	parts := strings.Split(code, ".")
	if len(parts) != 3 || len(parts[0]) != 1 || !strings.Contains("245", parts[0]) {
		return "", line
	}
	for _, p := range parts[1:] {
		if p == "" || len(p) > 3 || strings.Trim(p, "0123456789") != "" {
			return "", line
		}
	}
	return code, rest
}

// clientPrintable returns text, at most clientReplyKept octets of it, as UTF-8 without control characters save line feeds.
func clientPrintable(text []byte) string {
	text = text[:min(len(text), clientReplyKept)]
	s := strings.ToValidUTF8(string(text), "?")
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r == 0x7f || r >= 0x80 && r < 0xa0 {
			return '?'
		}
		return r
	}, s)
}

// clientReplyReader reads replies.
type clientReplyReader struct {
	r     *wire.Reader
	text  []byte
	trace func(line string) // Dialer.Transcript
	quiet bool              // the next reply is part of a login and not to be shown
}

func (rr *clientReplyReader) reset(src io.Reader) {
	if rr.r == nil {
		rr.r = wire.NewReader(src)
		rr.r.MaxDrain = -1
	}
	rr.r.Reset(src)
}

// buffered returns how many octets the server has sent ahead, as far as they were read.
func (rr *clientReplyReader) buffered() int { return rr.r.Buffered() }

// read reads one reply. Everything but a well-formed, bounded reply is an error that wraps ErrProtocol or is the connection's; after
// it the session is out of step.
func (rr *clientReplyReader) read() (clientReply, error) {
	reply := clientReply{}
	rr.text = rr.text[:0]
	for more := true; more; {
		line, err := rr.readLine()
		if err != nil {
			return clientReply{}, err
		}
		var code int
		var text []byte
		code, text, more, err = clientParseLine(line)
		if err == nil && reply.lines > 0 && code != reply.code {
			err = fmt.Errorf("%w: reply code changes from %d to %d", ErrProtocol, reply.code, code)
		}
		if err != nil {
			return clientReply{}, err
		}
		if reply.lines > 0 {
			rr.text = append(rr.text, '\n')
		}
		rr.text = append(rr.text, text...)
		reply.code = code
		if reply.lines++; reply.lines > clientReplyLines || len(rr.text) > clientReplySize {
			return clientReply{}, fmt.Errorf("%w: reply without an end", ErrProtocol)
		}
	}
	reply.text = rr.text
	return reply, nil
}

func (rr *clientReplyReader) readLine() ([]byte, error) {
	line, err := rr.r.ReadLine(clientReplyLine)
	switch err {
	case nil:
	case wire.ErrBareCR, wire.ErrBareLF, wire.ErrLineTooLong, wire.ErrTooMuch:
		return nil, fmt.Errorf("%w: reply: %w", ErrProtocol, err)
	default:
		return nil, err
	}
	if rr.trace != nil {
		rr.show(line)
	}
	return line, nil
}

// show gives a line to the transcript. What the server says during a login may repeat a secret.
func (rr *clientReplyReader) show(line []byte) {
	text := clientPrintable(line)
	if rr.quiet && strings.HasPrefix(text, "334") {
		text = "334 ***"
	}
	rr.trace("S: " + text)
}

// clientParseLine reads one line of a reply (RFC 5321 §4.2): three digits, and a hyphen if more lines follow. Text may be
// missing, and the space with it.
func clientParseLine(line []byte) (code int, text []byte, more bool, err error) {
	if len(line) < 3 || line[0] < '2' || line[0] > '5' || !clientIsDigit(line[1]) || !clientIsDigit(line[2]) {
		return 0, nil, false, clientMalformed(line)
	}
	code = int(line[0]-'0')*100 + int(line[1]-'0')*10 + int(line[2]-'0')
	if len(line) == 3 {
		return code, nil, false, nil
	}
	if line[3] != ' ' && line[3] != '-' || bytes.IndexByte(line, 0) >= 0 {
		return 0, nil, false, clientMalformed(line)
	}
	return code, line[4:], line[3] == '-', nil
}

func clientMalformed(line []byte) error {
	return fmt.Errorf("%w: malformed reply %q", ErrProtocol, line[:min(len(line), 64)])
}

func clientIsDigit(c byte) bool { return '0' <= c && c <= '9' }
