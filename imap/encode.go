package imap

import (
	"strconv"
	"strings"
	"time"

	"github.com/postrider/postrider/message"
	"github.com/postrider/postrider/store"
)

// Replies are put together as octets in memory, save literals of messages, which are streamed. The
// functions append to b and return it, as append does.

// appendString appends s as a quoted string, or as a literal where quotes cannot hold it: RFC 3501 §9
// wants 7 bits there. The octet NUL, which neither may hold, is left out.
func appendString(b []byte, s string) []byte {
	if strings.IndexByte(s, 0) >= 0 {
		s = strings.ReplaceAll(s, "\x00", "")
	}
	quotable := len(s) < 1000
	for i := 0; i < len(s) && quotable; i++ {
		quotable = s[i] < 0x80 && s[i] != '\r' && s[i] != '\n'
	}
	if !quotable {
		return append(appendLiteral(b, int64(len(s))), s...)
	}
	b = append(b, '"')
	for i := range len(s) {
		if s[i] == '"' || s[i] == '\\' {
			b = append(b, '\\')
		}
		b = append(b, s[i])
	}
	return append(b, '"')
}

// appendLiteral announces a literal.
func appendLiteral(b []byte, size int64) []byte {
	b = append(b, '{')
	b = strconv.AppendInt(b, size, 10)
	return append(b, "}\r\n"...)
}

// appendUpper appends s as appendString does, with the letters of ASCII in capitals, and all other octets as they are.
func appendUpper(b []byte, s string) []byte {
	start := len(b)
	b = appendString(b, s)
	for i, c := range b[start:] {
		if 'a' <= c && c <= 'z' {
			b[start+i] = c - ('a' - 'A')
		}
	}
	return b
}

// appendNString appends NIL for the empty string.
func appendNString(b []byte, s string) []byte {
	if s == "" {
		return append(b, "NIL"...)
	}
	return appendString(b, s)
}

// appendMailbox appends a mailbox name: in modified UTF-7, as an atom where that can be.
func appendMailbox(b []byte, name string) []byte {
	return appendAstring(b, encodeUTF7(name))
}

// appendFlags appends a list of flags in parentheses.
func appendFlags(b []byte, flags []store.Flag, more ...store.Flag) []byte {
	b = append(b, '(')
	first := true
	for _, list := range [][]store.Flag{flags, more} {
		for _, f := range list {
			if !first {
				b = append(b, ' ')
			}
			first = false
			b = append(b, f...)
		}
	}
	return append(b, ')')
}

// appendDate appends an INTERNALDATE.
func appendDate(b []byte, t time.Time) []byte {
	return t.AppendFormat(b, `"02-Jan-2006 15:04:05 -0700"`)
}

// appendEnvelope appends an ENVELOPE (RFC 3501 §7.4.2, I11).
func appendEnvelope(b []byte, e *message.Envelope) []byte {
	field := func(s string, empty message.EmptyFields) {
		if s == "" && e.Empty&empty != 0 {
			b = append(b, `""`...)
		} else {
			b = appendNString(b, s)
		}
	}
	b = append(b, '(')
	field(e.Date, message.EmptyDate)
	b = append(b, ' ')
	field(e.Subject, message.EmptySubject)
	for _, list := range [][]message.Address{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
		b = append(b, ' ')
		b = appendAddresses(b, list)
	}
	b = append(b, ' ')
	field(e.InReplyTo, message.EmptyInReplyTo)
	b = append(b, ' ')
	field(e.MessageID, message.EmptyMessageID)
	return append(b, ')')
}

func appendAddresses(b []byte, list []message.Address) []byte {
	if len(list) == 0 {
		return append(b, "NIL"...)
	}
	b = append(b, '(')
	for _, a := range list {
		switch a.Group {
		case message.GroupStart:
			b = append(b, "(NIL NIL "...)
			b = appendString(b, a.Mailbox)
			b = append(b, " NIL)"...)
		case message.GroupEnd:
			b = append(b, "(NIL NIL NIL NIL)"...)
		default:
			b = append(b, '(')
			b = appendNString(b, a.Name)
			b = append(b, ' ')
			b = appendNString(b, a.Route)
			b = append(b, ' ')
			b = appendString(b, a.Mailbox)
			b = append(b, ' ')
			b = appendString(b, a.Host)
			b = append(b, ')')
		}
	}
	return append(b, ')')
}

// appendStructure appends a BODY or, extended, a BODYSTRUCTURE (RFC 3501 §7.4.2, I12).
func appendStructure(b []byte, p *message.Part, extended bool) []byte {
	b = append(b, '(')
	if p.IsMultipart() {
		for _, child := range p.Parts {
			b = appendStructure(b, child, extended)
		}
		b = append(b, ' ')
		b = appendUpper(b, p.Subtype)
		if extended {
			b = append(b, ' ')
			b = appendParams(b, p.Params)
			b = appendExtension(b, p)
		}
		return append(b, ')')
	}
	b = appendUpper(b, p.Type)
	b = append(b, ' ')
	b = appendUpper(b, p.Subtype)
	b = append(b, ' ')
	b = appendParams(b, p.Params)
	b = append(b, ' ')
	b = appendNString(b, p.ID)
	b = append(b, ' ')
	b = appendNString(b, p.Description)
	b = append(b, ' ')
	b = appendUpper(b, p.Encoding)
	b = append(b, ' ')
	b = strconv.AppendInt(b, p.Size(), 10)
	switch {
	case p.IsMessage():
		b = append(b, ' ')
		b = appendEnvelope(b, p.Envelope)
		b = append(b, ' ')
		b = appendStructure(b, p.Message, extended)
		b = append(b, ' ')
		b = strconv.AppendInt(b, p.Lines, 10)
	case p.Type == "text":
		b = append(b, ' ')
		b = strconv.AppendInt(b, p.Lines, 10)
	}
	if extended {
		b = append(b, ' ')
		b = appendNString(b, p.MD5)
		b = appendExtension(b, p)
	}
	return append(b, ')')
}

// appendExtension appends what all parts have at the end of a BODYSTRUCTURE.
func appendExtension(b []byte, p *message.Part) []byte {
	b = append(b, ' ')
	if p.Disposition == "" {
		b = append(b, "NIL"...)
	} else {
		b = append(b, '(')
		b = appendUpper(b, p.Disposition)
		b = append(b, ' ')
		b = appendParams(b, p.DispositionParams)
		b = append(b, ')')
	}
	b = append(b, ' ')
	switch len(p.Language) {
	case 0:
		b = append(b, "NIL"...)
	case 1:
		b = appendString(b, p.Language[0])
	default:
		b = appendList(b, p.Language, appendString)
	}
	b = append(b, ' ')
	return appendNString(b, p.Location)
}

func appendParams(b []byte, params []message.Param) []byte {
	if len(params) == 0 {
		return append(b, "NIL"...)
	}
	b = append(b, '(')
	for i, param := range params {
		if i > 0 {
			b = append(b, ' ')
		}
		name, value := param.Name, param.Value
		if param.Extended {
			name, value = name+"*", param.Encode()
		}
		b = appendUpper(b, name)
		b = append(b, ' ')
		b = appendString(b, value)
	}
	return append(b, ')')
}

// sectionName writes a section as FETCH's reply names it: the fields as the client did, for clients compare.
func sectionName(s message.Section) string {
	var b []byte
	for i, n := range s.Part {
		if i > 0 {
			b = append(b, '.')
		}
		b = strconv.AppendInt(b, int64(n), 10)
	}
	if s.Specifier == message.None {
		return string(b)
	}
	if len(s.Part) > 0 {
		b = append(b, '.')
	}
	b = append(b, specifierNames[s.Specifier]...)
	if hasFields(s.Specifier) {
		b = append(b, ' ')
		b = appendList(b, s.Fields, appendAstring)
	}
	return string(b)
}

// appendAstring appends s as an atom where that can be.
func appendAstring(b []byte, s string) []byte {
	for i := range len(s) {
		if !isAstringChar(s[i]) {
			return appendString(b, s)
		}
	}
	if s == "" || strings.EqualFold(s, "NIL") {
		return appendString(b, s)
	}
	return append(b, s...)
}

// appendList appends what one appends for each of list, in parentheses.
func appendList(b []byte, list []string, one func([]byte, string) []byte) []byte {
	b = append(b, '(')
	for i, s := range list {
		if i > 0 {
			b = append(b, ' ')
		}
		b = one(b, s)
	}
	return append(b, ')')
}
