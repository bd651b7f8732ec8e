package smtp

import (
	"fmt"
	"slices"
	"strings"

	"github.com/postrider/postrider"
)

// A serverExtension is a row in the table of SMTP service extensions (RFC 5321 §2.2): what
// EHLO says of it, and which parameters it adds to MAIL and RCPT.
type serverExtension struct {
	keyword string
	// offer returns the parameters after the keyword, and whether this session is offered the
	// extension now. Nil is always, without parameters.
	offer func(c *serverConn) (params string, ok bool)
	mail  map[string]parseMailParam
	rcpt  map[string]parseRcptParam
	// needs is an extension without which this one must not be offered.
	needs string
}

// A parameter's parser stores it in the envelope or the recipient. The value is empty where the parameter had
// none. The error is the reply if it is a Status; others become 501 5.5.4.
type (
	parseMailParam func(c *serverConn, e *postrider.Envelope, value string) error
	parseRcptParam func(c *serverConn, r *postrider.Recipient, value string) error
)

// serverExtensions are all there are, in the order of the EHLO reply.
var serverExtensions = []*serverExtension{
	{keyword: "PIPELINING"},
	{keyword: "SIZE", offer: offerSize, mail: map[string]parseMailParam{"SIZE": parseSize}},
	{keyword: "8BITMIME", mail: map[string]parseMailParam{"BODY": parseBody}},
	{keyword: "SMTPUTF8", mail: map[string]parseMailParam{"SMTPUTF8": parseSMTPUTF8}, needs: "8BITMIME"},
	{keyword: "ENHANCEDSTATUSCODES"},
	{keyword: "STARTTLS", offer: offerStartTLS},
	{keyword: "AUTH", offer: offerAuth, mail: map[string]parseMailParam{"AUTH": parseSubmitter}},
	{
		keyword: "DSN", offer: offerDSN,
		mail: map[string]parseMailParam{"RET": parseReturn, "ENVID": parseEnvelopeID},
		rcpt: map[string]parseRcptParam{"NOTIFY": parseNotify, "ORCPT": parseOriginal},
	},
	{keyword: "EXPN", offer: offerExpn},
	{keyword: "HELP"},
}

// extensionSet has a bit for each row of a server's table.
type extensionSet uint64

func (s extensionSet) has(row int) bool { return s&(1<<row) != 0 }

// parameter is a row in the table of the parameters of MAIL or RCPT.
type parameter[P any] struct {
	extension int // its row, which must have been offered
	parse     P
}

// extensionTable leaves out what is withheld.
func extensionTable(withhold []string) []*serverExtension {
	return slices.DeleteFunc(slices.Clone(serverExtensions), func(x *serverExtension) bool {
		return isWithheld(withhold, x.keyword)
	})
}

func isWithheld(withhold []string, keyword string) bool {
	return slices.ContainsFunc(withhold, func(w string) bool { return strings.EqualFold(w, keyword) })
}

// parameterTables finds the parser of each parameter.
func parameterTables(exts []*serverExtension) (mail map[string]parameter[parseMailParam], rcpt map[string]parameter[parseRcptParam]) {
	mail, rcpt = make(map[string]parameter[parseMailParam]), make(map[string]parameter[parseRcptParam])
	for row, x := range exts {
		for keyword, parse := range x.mail {
			mail[keyword] = parameter[parseMailParam]{row, parse}
		}
		for keyword, parse := range x.rcpt {
			rcpt[keyword] = parameter[parseRcptParam]{row, parse}
		}
	}
	return mail, rcpt
}

// checkWithheld reports what cannot be withheld.
func checkWithheld(withhold []string, lmtp bool) (wrong []string) {
	for _, w := range withhold {
		if !slices.ContainsFunc(serverExtensions, func(x *serverExtension) bool { return strings.EqualFold(w, x.keyword) }) {
			wrong = append(wrong, fmt.Sprintf("names %q, which is no extension", w))
		}
	}
	for _, x := range serverExtensions {
		if x.needs != "" && isWithheld(withhold, x.needs) && !isWithheld(withhold, x.keyword) {
			wrong = append(wrong, fmt.Sprintf("has %s, without which %s must not be offered (RFC 6531 §3.1)", x.needs, x.keyword))
		}
	}
	for _, must := range []string{"PIPELINING", "ENHANCEDSTATUSCODES"} {
		if lmtp && isWithheld(withhold, must) {
			wrong = append(wrong, fmt.Sprintf("has %s, which LMTP must offer (RFC 2033 §5)", must))
		}
	}
	return wrong
}

// offer computes the lines of the EHLO reply, and notes what they offer.
func (c *serverConn) offer() (lines []string) {
	c.offered = 0
	for row, x := range c.set.extensions {
		params, ok := "", true
		if x.offer != nil {
			params, ok = x.offer(c)
		}
		if !ok {
			continue
		}
		c.offered |= 1 << row
		if params != "" {
			params = " " + params
		}
		lines = append(lines, x.keyword+params)
	}
	return lines
}

// isOffered reports whether the last EHLO offered the extension.
func (c *serverConn) isOffered(keyword string) bool {
	row := slices.IndexFunc(c.set.extensions, func(x *serverExtension) bool { return x.keyword == keyword })
	return row >= 0 && c.offered.has(row)
}

// parseParams reads the parameters of MAIL or RCPT and stores each by its parser.
func parseParams[E any, P ~func(*serverConn, E, string) error](c *serverConn, table map[string]parameter[P], into E, s string) error {
	seen := make([]string, 0, 8)
	for {
		p, rest, err := cutParam(s)
		if err != nil || p.Keyword == "" {
			return err
		}
		row, ok := table[p.Keyword]
		switch {
		case !ok || !c.offered.has(row.extension):
			return &postrider.Status{Code: "5.5.4", Reply: 555, Text: "parameter " + p.Keyword + " is not known here"}
		case slices.Contains(seen, p.Keyword):
			return fmt.Errorf("parameter %s is given twice", p.Keyword)
		}
		if err := row.parse(c, into, p.Value); err != nil {
			return err
		}
		seen, s = append(seen, p.Keyword), rest
	}
}
