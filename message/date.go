package message

import (
	"errors"
	"strings"
	"time"
)

// ErrDate is returned for a Date field in which no date can be found.
var ErrDate = errors.New("message: no date")

// ParseDate reads the value of a Date field: RFC 5322 §3.3 with the obsolete forms
// of §4.3 (years of two digits, names of zones, comments), and what else is met,
// such as asctime's and ISO 8601's order, names written out, and missing times.
//
// The result is in the zone that was written, so that its Date method gives the
// day that IMAP's SENTSINCE and its kin compare (RFC 9051 §6.4.4), and its UTC
// method the sent date of SORT and THREAD. A zone that is missing or means nothing
// counts as UTC, a time that is, as midnight (RFC 5256 §2.2).
func ParseDate(s string) (time.Time, error) {
	var d dateParser
	for {
		s = strings.TrimLeft(skipCFWS(s), ", \t\r\n")
		if s == "" {
			break
		}
		n := strings.IndexAny(s, " \t\r\n,(")
		if n < 0 {
			n = len(s)
		}
		if n == 0 || n > maxDateWord {
			n = max(n, 1)
		} else {
			d.word(s[:n])
		}
		s = s[n:]
	}
	return d.time()
}

const maxDateWord = 40

// A dateParser takes the words of a date as they come.
type dateParser struct {
	year, month, day  int
	hasYear, hasClock bool
	hour, min, sec    int
	zone              int // seconds east of UTC
	hasZone           bool
}

func (d *dateParser) word(w string) {
	switch {
	case w[0] == '+' || w[0] == '-':
		d.offset(w)
	case strings.Contains(w, ":"):
		d.clock(w)
	case strings.Contains(w, "-") || strings.Contains(w, "/"):
		d.dashed(w)
	case '0' <= w[0] && w[0] <= '9':
		d.number(w)
	default:
		d.name(w)
	}
}

// clock takes 15:04, 15:04:05, with fractions, a zone right behind it, or an ISO
// date and a T before it.
func (d *dateParser) clock(w string) {
	if date, clock, ok := strings.Cut(w, "T"); ok && len(date) >= 8 {
		d.dashed(date)
		w = clock
	}
	zone := ""
	if i := strings.IndexAny(w, "+-Z"); i > 0 {
		w, zone = w[:i], w[i:]
	}
	parts := strings.SplitN(w, ":", 4)
	if len(parts) < 2 || len(parts) > 3 || d.hasClock {
		return
	}
	hour, ok1 := digits(parts[0], 23)
	minute, ok2 := digits(parts[1], 59)
	second, ok3 := 0, true
	if len(parts) == 3 {
		whole, _, _ := strings.Cut(parts[2], ".")
		second, ok3 = digits(whole, 60)
	}
	if ok1 && ok2 && ok3 {
		d.hour, d.min, d.sec, d.hasClock = hour, minute, second, true
	}
	if zone != "" {
		d.word(zone)
	}
}

// digits reads a number of at most four digits that is not above most.
func digits(s string, most int) (n int, ok bool) {
	if s == "" || len(s) > 4 {
		return 0, false
	}
	for i := range len(s) {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
		n = 10*n + int(s[i]-'0')
	}
	return n, n <= most
}

// offset takes +0200 or +02:00.
func (d *dateParser) offset(w string) {
	n, ok := digits(strings.Replace(w[1:], ":", "", 1), 9959)
	if !ok || d.hasZone || n%100 > 59 {
		return
	}
	d.hasZone = true
	d.zone = (n/100*60 + n%100) * 60
	if w[0] == '-' {
		d.zone = -d.zone
	}
}

// dashed takes 2-Jan-2006, 2006-01-02 and the like.
func (d *dateParser) dashed(w string) {
	parts := strings.FieldsFunc(w, func(r rune) bool { return r == '-' || r == '/' })
	if len(parts) != 3 {
		return
	}
	if month, ok := digits(parts[1], 12); ok {
		if len(parts[0]) == 4 && d.month == 0 {
			d.month = month
			d.number(parts[0])
			d.number(parts[2])
		}
		return // 1/2/2006 may be either
	}
	d.number(parts[0])
	d.name(parts[1])
	d.number(parts[2])
}

// number takes a day or a year, whichever can be.
func (d *dateParser) number(w string) {
	n, ok := digits(strings.TrimRight(w, "."), 9999)
	switch {
	case !ok:
	case d.day == 0 && len(w) <= 2 && 1 <= n && n <= 31:
		d.day = n
	case d.hasYear:
	case len(w) >= 4:
		d.year, d.hasYear = n, true
	case len(w) == 3: // RFC 5322 §4.3
		d.year, d.hasYear = 1900+n, true
	case n < 50:
		d.year, d.hasYear = 2000+n, true
	default:
		d.year, d.hasYear = 1900+n, true
	}
}

// name takes the name of a month or a zone; the day of the week has nothing to
// say.
func (d *dateParser) name(w string) {
	const months = "janfebmaraprmayjunjulaugsepoctnovdec"
	low := strings.ToLower(strings.TrimRight(w, "."))
	if len(low) >= 3 && d.month == 0 {
		if i := strings.Index(months, low[:3]); i >= 0 && i%3 == 0 {
			d.month = i/3 + 1
			return
		}
	}
	if hours, ok := zones[low]; ok && !d.hasZone && d.hasClock {
		d.zone, d.hasZone = hours*3600, true
	}
}

// zones are the names of RFC 5322 §4.3 and some of Europe's. Military letters count
// as -0000, as that section says, since so many used them wrongly.
var zones = map[string]int{
	"ut": 0, "gmt": 0, "utc": 0, "z": 0,
	"est": -5, "edt": -4, "cst": -6, "cdt": -5, "mst": -7, "mdt": -6, "pst": -8, "pdt": -7,
	"wet": 0, "west": 1, "bst": 1, "cet": 1, "met": 1, "cest": 2, "mest": 2, "eet": 2, "eest": 3, "msk": 3, "jst": 9,
}

func (d *dateParser) time() (time.Time, error) {
	if !d.hasYear || d.month == 0 || d.day == 0 {
		return time.Time{}, ErrDate
	}
	zone := time.UTC
	if d.zone != 0 {
		zone = time.FixedZone("", d.zone)
	}
	t := time.Date(d.year, time.Month(d.month), d.day, d.hour, d.min, d.sec, 0, zone)
	if d.sec < 60 && t.Day() != d.day { // 31 February
		return time.Time{}, ErrDate
	}
	return t, nil
}
