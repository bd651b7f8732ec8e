package message

import (
	"testing"
	"time"
)

var dates = []struct{ value, want string }{
	{"Fri, 21 Nov 1997 09:55:06 -0600", "1997-11-21T09:55:06-06:00"},
	{"Tue, 1 Jul 2003 10:52:37 +0200", "2003-07-01T10:52:37+02:00"},
	{"Thu, 13 Feb 1969 23:32:54 -0330 (Newfoundland Time)", "1969-02-13T23:32:54-03:30"},
	{"Thu,\r\n      13\r\n        Feb\r\n          1969\r\n      23:32\r\n               -0330 (Newfoundland Time)", "1969-02-13T23:32:00-03:30"},
	{"21 Nov 97 09:55:06 GMT", "1997-11-21T09:55:06Z"},                               // RFC 5322 A.6.2
	{"Fri, 21 Nov 1997 09(comment):   55  :  06 -0600", "1997-11-21T00:00:00-06:00"}, // its time is lost, the day is not
	{"1 Jan 49 00:00:00 EST", "2049-01-01T00:00:00-05:00"},                           // RFC 5322 §4.3
	{"1 Jan 50 00:00:00 PDT", "1950-01-01T00:00:00-07:00"},                           //
	{"1 Jan 102 00:00:00 A", "2002-01-01T00:00:00Z"},                                 // military zones are -0000
	{"Mon, 29 Feb 2016 23:59:60 +0000", "2016-03-01T00:00:00Z"},                      // a leap second
	{"Wed Jan  2 15:04:05 2006", "2006-01-02T15:04:05Z"},                             // asctime
	{"Wed Jan  2 15:04:05 MST 2006", "2006-01-02T15:04:05-07:00"},                    //
	{"Wednesday, 02-Jan-06 15:04:05 GMT", "2006-01-02T15:04:05Z"},                    // RFC 850
	{"2006-01-02T15:04:05.25+01:00", "2006-01-02T15:04:05+01:00"},                    // RFC 3339
	{"2006-01-02 15:04:05Z", "2006-01-02T15:04:05Z"},                                 //
	{"2 September 2006 15:04 CEST", "2006-09-02T15:04:00+02:00"},                     //
	{"Wed, 11 Feb 98 11:51 CST", "1998-02-11T11:51:00-06:00"},                        //
	{"1 Jan 2024", "2024-01-01T00:00:00Z"},                                           // RFC 5256 §2.2
	{"1 Jan 2024 25:00:00 +0100", "2024-01-01T00:00:00+01:00"},                       //
	{"1 Jan 2024 10:00:00 +99999", "2024-01-01T10:00:00Z"},                           //
	{"Jan 1, 2024 10:00", "2024-01-01T10:00:00Z"},                                    //
	{"", ""}, {"tomorrow", ""}, {"31 Feb 2024 10:00", ""}, {"1/2/2006 10:00", ""}, {"Jan 2024", ""}, {"Mon, 1 2024", ""},
}

func TestDatesAreReadWhateverTheirForm(t *testing.T) {
	for _, c := range dates {
		got := ""
		if d, err := ParseDate(c.value); err == nil {
			got = d.Format(time.RFC3339)
		} else if err != ErrDate {
			t.Errorf("%q: %v", c.value, err)
		}
		if got != c.want {
			t.Errorf("%q: %s, want %s", c.value, got, c.want)
		}
	}
}

// RFC 9051 §6.4.4: SENTSINCE disregards time and zone.
func TestTheDayOfADateIsTheOneWritten(t *testing.T) {
	d, err := ParseDate("Mon, 1 Jan 2024 23:30:00 -0800")
	if year, month, day := d.Date(); err != nil || year != 2024 || month != 1 || day != 1 {
		t.Errorf("got %d-%d-%d, %v", year, month, day, err)
	}
}
