package imap

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/internal/wire"
	"github.com/postrider/postrider/store"
)

// A syntaxError is what the client wrote wrong: the command is answered BAD and the session goes on.
type syntaxError string

func (e syntaxError) Error() string { return string(e) }

// A literalError is a literal that is too large. The client is not told to go ahead with it, or its octets are
// dropped; the command is answered NO [TOOBIG] (RFC 7889 §3) or BAD.
type literalError struct{ size int64 }

func (e *literalError) Error() string {
	return fmt.Sprintf("literal of %d octets is too large", e.size)
}

// A connError is an error of the connection, or one after which the server no longer knows where the next
// command begins: it ends the session.
type connError struct{ err error }

func (e *connError) Error() string { return e.err.Error() }
func (e *connError) Unwrap() error { return e.err }

// errOutOfStep is a line or a literal whose end is too far away to be looked for.
var errOutOfStep = errors.New("too much to read over")

// A parser reads one command (RFC 3501 §9) from the connection: its first line, then, at each
// literal, the octets of it and the line that follows. Methods read one element each and return a
// syntaxError, or a connError.
type parser struct {
	r *wire.Reader
	// goAhead sends a continuation request and all replies before it.
	goAhead func() error
	// maxLine is how many octets a line may have, maxLiterals how many all literals of a command
	// that are kept in memory may have together.
	maxLine     int
	maxLiterals int64

	line     []byte // what is left of the current line
	whole    []byte // all of it; nil once the literal at its end was read or refused
	literals int64  // octets of literals kept so far
	more     int    // octets of the lines behind those literals
}

// begin reads the first line of a command.
func (p *parser) begin() error {
	p.literals, p.more = 0, 0
	line, err := p.r.ReadLine(p.maxLine)
	return p.take(line, err)
}

// take makes line the current one. What ReadLine says of a bad line is the client's mistake; its first
// octets stay, for the tag is in them.
func (p *parser) take(line []byte, err error) error {
	// The reader's buffer is overwritten by the next line, and strings of ours are taken from this one only once, so
	// it is enough that the line lives until then.
	p.line, p.whole = line, line
	switch {
	case err == nil && bytes.IndexByte(line, 0) >= 0:
		return syntaxError("NUL in command")
	case errors.Is(err, wire.ErrBareCR), errors.Is(err, wire.ErrBareLF):
		return syntaxError("bare CR or LF in command")
	case errors.Is(err, wire.ErrLineTooLong):
		// Had it a literal at its end, what follows would be taken for commands.
		return &connError{err}
	case err != nil:
		return &connError{err}
	}
	return nil
}

// maxDropped is how many octets of a command that failed are read only to be dropped, where each literal counts for
// at least literalCost. Beyond that the session ends.
const (
	maxDropped  = 256 << 20
	literalCost = 1 << 10
)

// skip reads over what is left of a command that failed: literals that the client sends without being asked to, and the
// lines behind them.
func (p *parser) skip() error {
	for left := int64(maxDropped); ; {
		size, ok := p.unasked()
		if !ok {
			return nil
		}
		if size > left {
			return &connError{errOutOfStep}
		}
		if _, err := p.r.CopyN(io.Discard, size); err != nil {
			return &connError{err}
		}
		line, err := p.r.ReadLine(p.maxLine)
		left -= size + int64(len(line)) + literalCost
		var broken *connError
		if err := p.take(line, err); errors.As(err, &broken) {
			return err
		}
	}
}

// unasked returns the size of the literal that the client sends behind the current line without being asked to, if that is
// how the line ends.
func (p *parser) unasked() (size int64, ok bool) {
	rest, ok := bytes.CutSuffix(p.whole, []byte("+}"))
	if !ok {
		return 0, false
	}
	digits := rest[bytes.LastIndexByte(rest, '{')+1:]
	if len(digits) == len(rest) || len(digits) == 0 || len(bytes.Trim(digits, "0123456789")) > 0 {
		return 0, false // what ends like a literal is none
	}
	size, err := strconv.ParseInt(string(digits), 10, 64)
	if err != nil {
		return math.MaxInt64, true
	}
	return size, true
}

// peek returns the next octet of the line, 0 at its end.
func (p *parser) peek() byte {
	if len(p.line) == 0 {
		return 0
	}
	return p.line[0]
}

// accept passes over c if it is next.
func (p *parser) accept(c byte) bool {
	if p.peek() != c || c == 0 {
		return false
	}
	p.line = p.line[1:]
	return true
}

// expect passes over c, which must be next.
func (p *parser) expect(c byte) error {
	if !p.accept(c) {
		return syntaxError(fmt.Sprintf("expected %q", string(c)))
	}
	return nil
}

// sp passes over the one space that parts arguments.
func (p *parser) sp() error {
	if !p.accept(' ') {
		return syntaxError("expected a space")
	}
	return nil
}

// end checks that the command ends here. Spaces before the end are forgiven.
func (p *parser) end() error {
	if len(bytes.TrimRight(p.line, " ")) > 0 {
		return syntaxError("unexpected argument")
	}
	return nil
}

// while returns the octets up to the first that is not ok, at least one.
func (p *parser) while(what string, ok func(byte) bool) (string, error) {
	n := 0
	for n < len(p.line) && ok(p.line[n]) {
		n++
	}
	if n == 0 {
		return "", syntaxError("expected " + what)
	}
	s := string(p.line[:n])
	p.line = p.line[n:]
	return s, nil
}

// isAtomChar reports whether c may stand in an atom (RFC 3501 §9).
func isAtomChar(c byte) bool {
	return c > ' ' && c < 0x7f && strings.IndexByte(`(){%*"\]`, c) < 0
}

func isAstringChar(c byte) bool { return isAtomChar(c) || c == ']' }

func isListChar(c byte) bool { return isAstringChar(c) || c == '%' || c == '*' }

func isTagChar(c byte) bool { return isAstringChar(c) && c != '+' }

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

func (p *parser) atom() (string, error) { return p.while("an atom", isAtomChar) }

// word returns an atom in upper case: a command, a key, an item.
func (p *parser) word() (string, error) {
	s, err := p.atom()
	return strings.ToUpper(s), err
}

// letters returns a run of letters, digits, dots and hyphens in upper case, which ends before "[" too.
func (p *parser) letters() (string, error) {
	s, err := p.while("a name", func(c byte) bool {
		return isDigit(c) || 'a' <= c|0x20 && c|0x20 <= 'z' || c == '.' || c == '-' || c == '_'
	})
	return strings.ToUpper(s), err
}

// number returns a number of 32 bits.
func (p *parser) number() (uint32, error) {
	n, err := p.number64()
	if err == nil && n > 1<<32-1 {
		return 0, syntaxError("number too large")
	}
	return uint32(n), err
}

// number64 returns a number of 63 bits (RFC 9051 §9).
func (p *parser) number64() (int64, error) {
	s, err := p.while("a number", isDigit)
	if err != nil {
		return 0, err
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return 0, syntaxError("number too large")
	}
	return n, nil
}

// set returns a sequence set, of numbers or UIDs.
func (p *parser) set() (store.NumSet, error) {
	s, err := p.while("a sequence set", func(c byte) bool { return isDigit(c) || c == ':' || c == ',' || c == '*' })
	if err != nil {
		return nil, err
	}
	set, err := store.ParseNumSet(s)
	if err != nil {
		return nil, syntaxError("bad sequence set")
	}
	return set, nil
}

// astring returns an atom or a string.
func (p *parser) astring() (string, error) {
	switch p.peek() {
	case '"', '{':
		return p.str()
	}
	return p.while("a string", isAstringChar)
}

// nstring returns a string or, with false, NIL.
func (p *parser) nstring() (string, bool, error) {
	if len(p.line) >= 3 && strings.EqualFold(string(p.line[:3]), "NIL") {
		p.line = p.line[3:]
		return "", false, nil
	}
	s, err := p.str()
	return s, true, err
}

// str returns a quoted string or a literal.
func (p *parser) str() (string, error) {
	switch p.peek() {
	case '"':
		return p.quoted()
	case '{':
		return p.literalString()
	}
	return "", syntaxError("expected a string")
}

func (p *parser) quoted() (string, error) {
	var b strings.Builder
	for i := 1; i < len(p.line); i++ {
		switch c := p.line[i]; c {
		case '"':
			p.line = p.line[i+1:]
			return b.String(), nil
		case '\\':
			i++
			if i == len(p.line) || p.line[i] != '"' && p.line[i] != '\\' {
				return "", syntaxError("bad escape in quoted string")
			}
			b.WriteByte(p.line[i])
		default:
			b.WriteByte(c)
		}
	}
	return "", syntaxError("quoted string without an end")
}

// literalSize passes over the announcement of a literal, which must end its line, and returns its size and
// whether the client sends it without being asked to (RFC 7888).
func (p *parser) literalSize() (size int64, unasked bool, err error) {
	if err := p.expect('{'); err != nil {
		return 0, false, err
	}
	if size, err = p.number64(); err != nil {
		return 0, false, err
	}
	unasked = p.accept('+')
	if err := p.expect('}'); err != nil {
		return 0, false, err
	}
	if len(p.line) > 0 {
		return 0, false, syntaxError("literal in the midst of a line")
	}
	return size, unasked, nil
}

// literal copies a literal of at most limit octets to w and goes on with the line that follows it. A larger
// one is a literalError: if the client asked first it is told so in place of a go-ahead, otherwise the octets are
// dropped, and the line behind them too.
func (p *parser) literal(w io.Writer, limit int64) (int64, error) {
	size, unasked, err := p.literalSize()
	if err != nil {
		return 0, err
	}
	if size > limit {
		if unasked {
			err = p.skip()
		}
		p.line, p.whole = nil, nil
		return 0, cmp.Or(err, error(&literalError{size}))
	}
	// A literal of no octets needs the go-ahead like any other (I5).
	if !unasked {
		if err := p.goAhead(); err != nil {
			return 0, &connError{err}
		}
	}
	p.line, p.whole = nil, nil
	sink := &sink{w: w}
	if _, err := p.r.CopyN(sink, size); err != nil {
		return 0, &connError{err}
	}
	line, err := p.r.ReadLine(p.maxLine)
	if err := p.take(line, err); err != nil {
		return 0, err
	}
	return size, sink.err
}

// A sink passes octets on until that fails, then drops them, so that the connection stays in step when a disk
// is full.
type sink struct {
	w   io.Writer
	err error
}

func (s *sink) Write(b []byte) (int, error) {
	if s.err == nil {
		_, s.err = s.w.Write(b)
	}
	return len(b), nil
}

// literalString reads a literal into memory.
func (p *parser) literalString() (string, error) {
	var b strings.Builder
	n, err := p.literal(&b, p.maxLiterals-p.literals)
	p.literals += n
	p.more += len(p.line)
	switch {
	case err != nil:
	case strings.IndexByte(b.String(), 0) >= 0:
		err = syntaxError("NUL in literal")
	case p.more > p.maxLine:
		// A literal of an octet or two between any two lines would make the command endless.
		err = syntaxError("command too long")
	}
	return b.String(), err
}

// list reads elements in parentheses, parted by single spaces, none at all if empty is true.
func (p *parser) list(empty bool, element func() error) error {
	if err := p.expect('('); err != nil {
		return err
	}
	if empty && p.accept(')') {
		return nil
	}
	for {
		if err := element(); err != nil {
			return err
		}
		if p.accept(')') {
			return nil
		}
		if err := p.sp(); err != nil {
			return err
		}
	}
}

// flag reads a system flag or a keyword. \Recent is none a client may name.
func (p *parser) flag() (store.Flag, error) {
	prefix := ""
	if p.accept('\\') {
		prefix = `\`
	}
	name, err := p.atom()
	if err != nil {
		return "", err
	}
	f, err := store.ParseFlag(prefix + name)
	if err != nil {
		return "", syntaxError("bad flag " + prefix + name)
	}
	return f, nil
}

// flags reads a list of flags in parentheses.
func (p *parser) flags() ([]store.Flag, error) {
	var flags []store.Flag
	err := p.list(true, func() error {
		f, err := p.flag()
		flags = append(flags, f)
		return err
	})
	return flags, err
}

// date reads d-Mon-yyyy, perhaps in quotes.
func (p *parser) date() (time.Time, error) {
	var text string
	var err error
	if p.peek() == '"' {
		text, err = p.quoted()
	} else {
		text, err = p.atom()
	}
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse("_2-Jan-2006", text)
	if err != nil {
		if t, err = time.Parse("2-Jan-2006", text); err != nil {
			return time.Time{}, syntaxError("bad date")
		}
	}
	return t, nil
}

// dateTime reads the quoted date, time and zone of APPEND.
func (p *parser) dateTime() (time.Time, error) {
	text, err := p.quoted()
	if err != nil {
		return time.Time{}, err
	}
	t, err := time.Parse("_2-Jan-2006 15:04:05 -0700", text)
	if err != nil {
		return time.Time{}, syntaxError("bad date and time")
	}
	return t, nil
}
