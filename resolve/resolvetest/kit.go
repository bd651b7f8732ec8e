package resolvetest

import (
	"context"
	"testing"
	"time"

	"github.com/postrider/postrider/resolve"
)

// Run holds a Resolver to the promises of the interface, each in a subtest of its
// own. NewResolver is called for each: it returns a Resolver that gets its
// answers from z, by asking a Server of it for instance, and ends it with
// t.Cleanup. A question that z drops should fail within a few seconds.
//
// A Resolver that never says Authentic passes: it vouches for nothing.
func Run(t *testing.T, newResolver func(t *testing.T, z *Zone) resolve.Resolver) {
	for _, p := range promises {
		t.Run(p.name, func(t *testing.T) {
			z := kitZone()
			ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
			defer cancel()
			if err := p.check(ctx, newResolver(t, z), z); err != nil {
				t.Errorf("promise broken: %s: %v", p.name, err)
			}
		})
	}
}

// A promise is a sentence of the contract and what finds out whether it is kept.
type promise struct {
	name  string
	check func(context.Context, resolve.Resolver, *Zone) error
}

var promises = []promise{
	{"addresses are those of the name and of the family asked for", checkAddresses},
	{"MX has the hosts with their preferences", checkMX},
	{"the null MX is an answer", checkNullMX},
	{"TXT joins the strings of a record and keeps every octet", checkTXT},
	{"TLSA has the numbers and octets of the records", checkTLSA},
	{"PTR finds the names of both families' addresses", checkPTR},
	{"names are absolute, in any case, with or without the final dot", checkSpelling},
	{"names that no message can carry are invalid", checkInvalid},
	{"names in answers are in lower case without the final dot", checkNameForm},
	{"aliases are followed, and Name is where they lead", checkAliases},
	{"CNAME returns the first alias only", checkCNAME},
	{"a loop of aliases is a temporary error", checkAliasLoop},
	{"a name that does not exist is NXDomain", checkNXDomain},
	{"a name without records of the type is NoData", checkNoData},
	{"a wildcard answers for what is not there, and for nothing else", checkWildcard},
	{"a failing server is a temporary error", checkServFail},
	{"silence is a temporary error", checkDrop},
	{"a disproved answer is bogus, and temporary", checkBogus},
	{"an error tells the name and the type", checkErrorWords},
	{"only what DNSSEC vouches for is authentic", checkAuthentic},
	{"an alias that nobody vouches for makes the answer unauthentic", checkAuthenticAlias},
	{"TTL is between zero and that of the least record", checkTTL},
	{"a large answer is whole", checkLarge},
	{"an answer belongs to the caller", checkOwnership},
	{"the end of the context ends the wait, and is the cause", checkCancel},
	{"the end of one caller's context does not disturb another", checkCancelOther},
	{"many goroutines may ask at once", checkConcurrent},
}

// kitZone is the DNS of the kit. The names below secure.test are signed.
func kitZone() *Zone {
	z := MustZone(kitText)
	z.SetAuthentic("secure.test", true)
	z.SetAuthentic("100.51.198.in-addr.arpa", true)
	for i := range largeAnswer {
		z.nodes["large.test."] = largeNode(z.nodes["large.test."], i)
	}
	return z
}

const kitText = `
	$TTL 300
	plain.test.        SOA   ns.plain.test. hostmaster.plain.test. 1 7200 3600 604800 60
	plain.test.        MX    10 MX1.Plain.Test.
	plain.test.        MX    20 mx2.plain.test.
	plain.test.        A     192.0.2.1
	mx1.plain.test.    A     192.0.2.11
	mx1.plain.test.    A     192.0.2.12
	mx1.plain.test.    AAAA  2001:db8::11
	mx2.plain.test.    A     192.0.2.21
	v6.plain.test.     AAAA  2001:db8::66
	null.plain.test.   MX    0 .
	odd.plain.test.    MX    0 mx1.plain.test.
	txt.plain.test.    TXT   "v=spf1 " "-all"
	txt.plain.test.    TXT   "quote \" backslash \\ octets \000\128\255 end"
	_25._tcp.mx1.plain.test. TLSA 3 1 1 00ff4e1c2d
	_25._tcp.mx1.plain.test. TLSA 200 201 202 07
	a.deep.plain.test. A     192.0.2.31
	*.wild.plain.test. MX    5 mx1.plain.test.
	is.wild.plain.test. A    192.0.2.32
	alias.plain.test.  120 CNAME Alias2.plain.test.
	alias2.plain.test. CNAME mx1.plain.test.
	toplain.plain.test. CNAME plain.test.
	dangling.plain.test. CNAME nowhere.plain.test.
	nodata.plain.test. CNAME v6.plain.test.
	loop1.plain.test.  CNAME loop2.plain.test.
	loop2.plain.test.  CNAME loop1.plain.test.
	slow.plain.test.   A     192.0.2.41
	fails.plain.test.  A     192.0.2.42
	large.test.        SOA   ns.large.test. hostmaster.large.test. 1 7200 3600 604800 60

	secure.test.       SOA   ns.secure.test. hostmaster.secure.test. 1 7200 3600 604800 60
	secure.test.       MX    10 mx.secure.test.
	secure.test.       A     198.51.100.1
	mx.secure.test.    A     198.51.100.25
	half.secure.test.  CNAME mx1.plain.test.
	whole.secure.test. CNAME mx.secure.test.
	half.plain.test.   CNAME mx.secure.test.
	25.100.51.198.in-addr.arpa. PTR Mx.Secure.Test.

	11.2.0.192.in-addr.arpa. CNAME 11.0-25.2.0.192.in-addr.arpa.
	11.0-25.2.0.192.in-addr.arpa. PTR mx1.plain.test.
	1.1.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.ip6.arpa. PTR mx1.plain.test.
`
