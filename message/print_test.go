package message

import (
	"fmt"
	"strings"
)

// The functions of this file print a Summary as an IMAP server would (RFC 9051
// §9), for tests to compare.

func printStructure(p *Part) string {
	var b strings.Builder
	writeBody(&b, p)
	return b.String()
}

func writeBody(b *strings.Builder, p *Part) {
	if len(p.Parts) > 0 {
		for _, c := range p.Parts {
			b.WriteByte('(')
			writeBody(b, c)
			b.WriteByte(')')
		}
		fmt.Fprintf(b, " %s %s %s %s %s", quote(p.Subtype), paramsText(p.Params),
			dispositionText(p), languageText(p.Language), nilOr(p.Location))
		return
	}
	fmt.Fprintf(b, "%s %s %s %s %s %s %d", quote(p.Type), quote(p.Subtype), paramsText(p.Params),
		nilOr(p.ID), nilOr(p.Description), quote(p.Encoding), p.Size())
	switch {
	case p.Message != nil:
		fmt.Fprintf(b, " (%s) (", printEnvelope(p.Envelope))
		writeBody(b, p.Message)
		fmt.Fprintf(b, ") %d", p.Lines)
	case p.Type == "text":
		fmt.Fprintf(b, " %d", p.Lines)
	}
	fmt.Fprintf(b, " %s %s %s %s", nilOr(p.MD5), dispositionText(p), languageText(p.Language), nilOr(p.Location))
}

func quote(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s) + `"`
}

func nilOr(s string) string {
	if s == "" {
		return "NIL"
	}
	return quote(s)
}

func paramsText(params []Param) string {
	if len(params) == 0 {
		return "NIL"
	}
	var words []string
	for _, p := range params {
		if p.Extended {
			words = append(words, quote(p.Name+"*"), quote(p.Encode()))
		} else {
			words = append(words, quote(p.Name), quote(p.Value))
		}
	}
	return "(" + strings.Join(words, " ") + ")"
}

func dispositionText(p *Part) string {
	if p.Disposition == "" {
		return "NIL"
	}
	return "(" + quote(p.Disposition) + " " + paramsText(p.DispositionParams) + ")"
}

func languageText(list []string) string {
	if len(list) == 0 {
		return "NIL"
	}
	var words []string
	for _, l := range list {
		words = append(words, quote(l))
	}
	return "(" + strings.Join(words, " ") + ")"
}

func printEnvelope(e *Envelope) string {
	text := func(s string, empty EmptyFields) string {
		if s == "" && e.Empty&empty == 0 {
			return "NIL"
		}
		return quote(s)
	}
	words := []string{text(e.Date, EmptyDate), text(e.Subject, EmptySubject)}
	for _, l := range [][]Address{e.From, e.Sender, e.ReplyTo, e.To, e.Cc, e.Bcc} {
		words = append(words, printAddresses(l))
	}
	words = append(words, text(e.InReplyTo, EmptyInReplyTo), text(e.MessageID, EmptyMessageID))
	return strings.Join(words, " ")
}

func printAddresses(list []Address) string {
	if list == nil {
		return "NIL"
	}
	var b strings.Builder
	b.WriteByte('(')
	for _, a := range list {
		mailbox, host := quote(a.Mailbox), quote(a.Host)
		if a.Group != NoGroup {
			host = "NIL"
		}
		if a.Group == GroupEnd {
			mailbox = "NIL"
		}
		fmt.Fprintf(&b, "(%s %s %s %s)", nilOr(a.Name), nilOr(a.Route), mailbox, host)
	}
	b.WriteByte(')')
	return b.String()
}
