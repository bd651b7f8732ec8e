package account

import (
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/argon2"
)

// Bounds of the parameters of a stored hash, so that no row of a database can
// take the machine's memory or a minute of its time.
const (
	maxArgonMemory = 1 << 20 // KiB
	maxArgonTime   = 64
	minSaltLen     = 8 // RFC 9106 §3.1
	minHashLen     = 16
	maxHashPart    = 64 // octets of salt, and of hash
)

// An argonHash is a password hashed by Argon2id (RFC 9106), in memory what its PHC
// string is in writing: $argon2id$v=19$m=19456,t=2,p=1$salt$hash, the last two in
// base64 without padding.
type argonHash struct {
	memory  uint32 // KiB
	time    uint32
	threads uint8
	salt    []byte
	hash    []byte
}

// errHash does not quote the hash: it is half a secret.
var errHash = errors.New("not an argon2id hash in PHC form")

// parsePHC reads the PHC string of an argonHash, strictly: what it accepts, String
// writes back octet for octet.
func parsePHC(s string) (argonHash, error) {
	var h argonHash
	rest, ok := strings.CutPrefix(s, "$argon2id$v="+strconv.Itoa(argon2.Version)+"$")
	if !ok {
		return h, errHash
	}
	parts := strings.Split(rest, "$")
	if len(parts) != 3 {
		return h, errHash
	}
	if err := h.parseParams(parts[0]); err != nil {
		return h, err
	}
	var errSalt, errSum error
	h.salt, errSalt = parsePart(parts[1], minSaltLen)
	h.hash, errSum = parsePart(parts[2], minHashLen)
	return h, errors.Join(errSalt, errSum)
}

// parseParams reads "m=19456,t=2,p=1".
func (h *argonHash) parseParams(s string) error {
	var numbers [3]uint32
	params := strings.Split(s, ",")
	if len(params) != len(numbers) {
		return errHash
	}
	for i, prefix := range []string{"m=", "t=", "p="} {
		digits, ok := strings.CutPrefix(params[i], prefix)
		n, err := strconv.ParseUint(digits, 10, 32)
		if !ok || err != nil || strconv.FormatUint(n, 10) != digits {
			return errHash
		}
		numbers[i] = uint32(n)
	}
	h.memory, h.time = numbers[0], numbers[1]
	if numbers[2] < 1 || numbers[2] > 255 {
		return errors.New("argon2id parallelism out of bounds")
	}
	h.threads = uint8(numbers[2])
	return h.checkParams()
}

// checkParams holds the parameters to RFC 9106 §3.1 and to our bounds.
func (h *argonHash) checkParams() error {
	switch {
	case h.threads < 1:
		return errors.New("argon2id parallelism out of bounds")
	case h.memory < 8*uint32(h.threads) || h.memory > maxArgonMemory:
		return fmt.Errorf("argon2id memory of %d KiB out of bounds", h.memory)
	case h.time < 1 || h.time > maxArgonTime:
		return fmt.Errorf("argon2id time of %d out of bounds", h.time)
	}
	return nil
}

func parsePart(s string, least int) ([]byte, error) {
	b, err := base64.RawStdEncoding.Strict().DecodeString(s)
	if err != nil || strings.ContainsAny(s, "\r\n") || len(b) < least || len(b) > maxHashPart {
		return nil, errHash
	}
	return b, nil
}

// String returns the PHC string.
func (h argonHash) String() string {
	b64 := base64.RawStdEncoding
	return fmt.Sprintf("$argon2id$v=%d$m=%d,t=%d,p=%d$%s$%s", argon2.Version,
		h.memory, h.time, h.threads, b64.EncodeToString(h.salt), b64.EncodeToString(h.hash))
}

// sum hashes password with h's salt and parameters, to n octets.
func (h argonHash) sum(password string, n int) []byte {
	return argon2.IDKey([]byte(password), h.salt, h.time, h.memory, h.threads, uint32(n))
}
