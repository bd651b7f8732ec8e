package message

import (
	"bytes"
	"strings"
)

// A header collects the fields of one header that a Summary is made of.
type header struct {
	part   *Part
	env    *Envelope // nil unless it is the header of a message
	digest bool      // the part is one of a multipart/digest
	text   []byte    // the values kept, unfolded, one behind the other
	fields []keptField
	last   fieldName // of the field that a continuation line continues
}

type keptField struct {
	name       fieldName
	start, end int // in header.text
}

type fieldName uint8

const (
	otherField fieldName = iota
	dateField
	subjectField
	fromField
	senderField
	replyToField
	toField
	ccField
	bccField
	inReplyToField
	messageIDField
	referencesField
	contentTypeField
	contentEncodingField
	contentIDField
	contentDescriptionField
	contentDispositionField
	contentLanguageField
	contentLocationField
	contentMD5Field
)

// lookupField knows the fields that a Summary is made of.
func lookupField(name []byte) fieldName {
	var low [len("content-transfer-encoding")]byte
	if len(name) > len(low) {
		return otherField
	}
	for i, c := range name {
		low[i] = lower(c)
	}
	switch string(low[:len(name)]) {
	case "date":
		return dateField
	case "subject":
		return subjectField
	case "from":
		return fromField
	case "sender":
		return senderField
	case "reply-to":
		return replyToField
	case "to":
		return toField
	case "cc":
		return ccField
	case "bcc":
		return bccField
	case "in-reply-to":
		return inReplyToField
	case "message-id":
		return messageIDField
	case "references":
		return referencesField
	case "content-type":
		return contentTypeField
	case "content-transfer-encoding":
		return contentEncodingField
	case "content-id":
		return contentIDField
	case "content-description":
		return contentDescriptionField
	case "content-disposition":
		return contentDispositionField
	case "content-language":
		return contentLanguageField
	case "content-location":
		return contentLocationField
	case "content-md5":
		return contentMD5Field
	}
	return otherField
}

func lower(c byte) byte {
	if 'A' <= c && c <= 'Z' {
		c += 'a' - 'A'
	}
	return c
}

func (h *header) begin(part *Part, env *Envelope) {
	*h = header{part: part, env: env, text: h.text[:0], fields: h.fields[:0]}
}

// add takes a line without its end. No more than budget octets are kept.
func (h *header) add(line []byte, budget int) {
	if isBlank(line[0]) {
		h.keep(line, budget)
		return
	}
	colon := nameEnd(line)
	if colon < 0 { // RFC 7103 §7.2
		h.keep(space, budget)
		h.keep(line, budget)
		return
	}
	h.last = lookupField(bytes.TrimRight(line[:colon], " \t"))
	if h.env == nil && h.last < contentTypeField {
		h.last = otherField
	}
	if h.last != otherField {
		h.fields = append(h.fields, keptField{h.last, len(h.text), len(h.text)})
		h.keep(line[colon+1:], budget)
	}
}

var space = []byte(" ")

// keep adds to the value of the last field, if that is one we keep.
func (h *header) keep(value []byte, budget int) {
	if h.last == otherField {
		return
	}
	value = value[:max(0, min(len(value), budget-len(h.text)))]
	h.text = appendUnfolded(h.text, value)
	h.fields[len(h.fields)-1].end = len(h.text)
}

// appendUnfolded adds value without the octets that no header field may have
// and that IMAP could not send: line breaks and NUL.
func appendUnfolded(dst, value []byte) []byte {
	if bytes.IndexByte(value, '\n') < 0 && bytes.IndexByte(value, '\r') < 0 && bytes.IndexByte(value, 0) < 0 {
		return append(dst, value...)
	}
	for _, c := range value {
		if c != '\n' && c != '\r' && c != 0 {
			dst = append(dst, c)
		}
	}
	return dst
}

// nameEnd returns the index of the colon behind the field name that line begins
// with; -1 if it begins with none. White space before the colon is obsolete
// syntax (RFC 5322 §4.5).
func nameEnd(line []byte) int {
	end := 0
	for i, c := range line {
		switch {
		case c == ':':
			if end == 0 {
				return -1
			}
			return i
		case isBlank(c):
		case c < '!' || c > '~' || end < i:
			return -1
		default:
			end = i + 1
		}
	}
	return -1
}

func isBlank(c byte) bool { return c == ' ' || c == '\t' }

// finish puts what the fields say into the part and the envelope, and returns
// the boundary of a multipart.
func (h *header) finish(s *Scanner) (boundary string) {
	text := string(h.text)
	h.part.Encoding = "7bit"
	var seen uint32
	for _, f := range h.fields {
		value := strings.Trim(text[f.start:f.end], " \t")
		first := seen&(1<<f.name) == 0
		seen |= 1 << f.name
		if f.name < contentTypeField {
			h.env.add(s, f.name, value, first)
		} else if first {
			h.part.add(f.name, value)
		}
	}
	if h.env != nil {
		h.env.complete(s, h.env == &s.sum.Envelope)
	}
	return h.part.completeType(h.digest)
}

// add takes one of the fields that describe content (RFC 2045 §3 and others).
func (p *Part) add(name fieldName, value string) {
	switch name {
	case contentTypeField:
		p.Type, p.Subtype, p.Params = parseMediaType(value)
	case contentEncodingField:
		if word, _ := cutToken(value); word != "" {
			p.Encoding = strings.ToLower(word)
		}
	case contentIDField:
		p.ID = value
	case contentDescriptionField:
		p.Description = value
	case contentDispositionField:
		word, rest := cutToken(value)
		p.Disposition, p.DispositionParams = strings.ToLower(word), parseParams(rest)
	case contentLanguageField:
		p.Language = parseTokens(value)
	case contentLocationField:
		p.Location = value
	case contentMD5Field:
		p.MD5 = value
		if i := strings.IndexAny(value, " \t("); i >= 0 {
			p.MD5 = value[:i]
		}
	}
}

// completeType sets what the header leaves out and returns the boundary of a
// multipart.
func (p *Part) completeType(digest bool) (boundary string) {
	if p.Type == "multipart" {
		boundary = paramValue(p.Params, "boundary")
		if boundary == "" || len(boundary) > maxBoundary {
			p.Type, digest, boundary = "", false, ""
		}
	}
	switch {
	case p.Type == "":
		p.setDefaultType(digest)
	case p.Type == "text" && paramIndex(p.Params, "charset") < 0: // RFC 2046 §4.1.2
		p.Params = append(p.Params, defaultParams...)
	}
	return boundary
}

// setDefaultType sets the type of a part that has no readable one: RFC 2045 §5.2,
// in a digest RFC 2046 §5.1.5.
func (p *Part) setDefaultType(digest bool) {
	if digest {
		p.Type, p.Subtype, p.Params = "message", "rfc822", nil
		return
	}
	p.Type, p.Subtype, p.Params = "text", "plain", defaultParams
}

// defaultParams belong to all parts of the default type and are never changed.
var defaultParams = []Param{{Name: "charset", Value: "us-ascii"}}
