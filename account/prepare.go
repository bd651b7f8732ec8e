package account

import (
	"errors"
	"fmt"
	"strings"
	"unicode/utf8"

	"golang.org/x/text/secure/precis"
	"golang.org/x/text/unicode/norm"

	"github.com/postrider/postrider"
)

// Limits of what a client may send to log in, in octets. RFC 4616 §2 asks for at
// least 255 of each.
const (
	MaxLoginLen    = 512
	MaxPasswordLen = 1024
)

// PrepareLogin returns the form in which two logins are the same, for comparing
// and as a key, never for showing. An [Authenticator] gives its Directory nothing else.
//
//   - A login that is an address: as [PrepareAddress].
//   - Any other: the profile UsernameCaseMapped of RFC 8265 §3.3, on each of its
//     parts between spaces (§3.1): full-width forms become plain, upper case becomes
//     lower, and the composition of characters is that of NFC.
//
// It returns an error for a login that is empty, longer than [MaxLoginLen], not
// UTF-8, or holds a character that the profile forbids.
func PrepareLogin(login string) (string, error) {
	switch {
	case len(login) > MaxLoginLen:
		return "", errors.New("login too long")
	case !utf8.ValidString(login):
		return "", errors.New("login is not UTF-8")
	}
	if addr, err := postrider.ParseAddress(login); err == nil {
		return PrepareAddress(addr), nil
	}
	parts := strings.FieldsFunc(login, func(r rune) bool { return r == ' ' })
	for i, part := range parts {
		prepared, err := precis.UsernameCaseMapped.String(part)
		if err != nil {
			return "", fmt.Errorf("login: %w", err)
		}
		parts[i] = prepared
	}
	if len(parts) == 0 {
		return "", errors.New("empty login")
	}
	return strings.Join(parts, " "), nil
}

// PrepareAddress returns the form in which two addresses are the same mailbox
// here: the domain in lower case and A-labels, and the local part by the profile
// UsernameCaseMapped, or in lower case and NFC where that profile forbids one of its
// characters. So local parts of local accounts match in any case. RFC 5321 §2.4
// leaves that to the domain's owner, and no owner wants Ann and ann to be two people.
func PrepareAddress(addr postrider.Address) string {
	local, err := precis.UsernameCaseMapped.String(addr.Local)
	if err != nil {
		local = norm.NFC.String(strings.ToLower(addr.Local))
	}
	return postrider.Address{Local: local, Domain: postrider.CanonicalDomain(addr.Domain)}.String()
}

// PreparePassword returns password by the profile OpaqueString of RFC 8265 §4.2: its
// characters composed as in NFC and every kind of space made the ASCII one, so that
// two keyboards agree. The case is kept. It returns an error for a password that is
// empty, longer than [MaxPasswordLen], not UTF-8, or holds a character that the profile
// forbids, such as a control character.
func PreparePassword(password string) (string, error) {
	switch {
	case password == "":
		return "", errors.New("empty password")
	case len(password) > MaxPasswordLen:
		return "", errors.New("password too long")
	case !utf8.ValidString(password):
		return "", errors.New("password is not UTF-8")
	}
	prepared, err := precis.OpaqueString.String(password)
	if err != nil {
		// The profile's error may quote the password.
		return "", errors.New("password holds a forbidden character")
	}
	return prepared, nil
}
