package postrider_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"
)

// picture is who may import whom: each package of ours, with all of ours that it
// may name in its own files. Every package may import the root, and internal packages stand where
// they are listed. A package that is missing here fails the test, so that nobody adds one
// without thinking of its place.
const picture = `
.

internal/wire
internal/serve
internal/durable
internal/sqlite
internal/sqlite/sqlitetest
message
mailtest
resolve              internal/wire
resolve/resolvetest  resolve
account
account/accounttest  account
account/sqlaccount   account internal/sqlite
smtp                 account internal/wire internal/serve

store                message
store/blob           internal/durable
store/memstore       store message
store/storetest      store message
store/sqlstore       store store/blob message internal/sqlite internal/durable

queue                message queue/dsn
queue/dsn            message
queue/memqueue       queue
queue/sqlqueue       queue store/blob internal/sqlite internal/durable
queue/queuetest      queue
queue/relay          queue smtp resolve message

route                account message
pop3                 store account internal/wire internal/serve
imap                 store account message internal/wire internal/serve
mta                  route store queue smtp account message resolve

interop              *
examples/mailserver  *
examples/sink        *
examples/rules       *
`

// links is what an application gets by importing a package: none of these may be in its build.
var links = map[string][]string{
	"smtp":           {"database/sql", "modernc.org/sqlite", "github.com/miekg/dns", "testing"},
	"pop3":           {"database/sql", "modernc.org/sqlite", "github.com/miekg/dns", "testing"},
	"imap":           {"database/sql", "modernc.org/sqlite", "github.com/miekg/dns", "testing"},
	"account":        {"database/sql", "modernc.org/sqlite", "testing"},
	"store":          {"database/sql", "modernc.org/sqlite", "testing"},
	"store/memstore": {"database/sql", "modernc.org/sqlite", "testing"},
	"queue":          {"database/sql", "modernc.org/sqlite", "github.com/miekg/dns", "testing"},
	"queue/memqueue": {"database/sql", "modernc.org/sqlite", "github.com/miekg/dns", "testing"},
	"queue/relay":    {"database/sql", "modernc.org/sqlite", "testing"},
	"resolve":        {"database/sql", "modernc.org/sqlite", "testing"},
	"route":          {"database/sql", "modernc.org/sqlite", "github.com/miekg/dns", "testing"},
	"mta":            {"database/sql", "modernc.org/sqlite", "testing"},
}

const module = "github.com/postrider/postrider"

type goPackage struct {
	ImportPath string
	Imports    []string
	Deps       []string
}

// listPackages asks the go command about the packages of this module.
func listPackages(t *testing.T) map[string]goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-deps=false", "-json=ImportPath,Imports,Deps", "./...")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, stderr.Bytes())
	}
	packages := map[string]goPackage{}
	for d := json.NewDecoder(bytes.NewReader(out)); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages[short(p.ImportPath)] = p
	}
}

// short returns an import path of ours below the module, "." for the root.
func short(path string) string {
	if path == module {
		return "."
	}
	return strings.TrimPrefix(path, module+"/")
}

func TestImportsKeepToThePicture(t *testing.T) {
	allowed := map[string][]string{}
	for line := range strings.Lines(picture) {
		if words := strings.Fields(line); len(words) > 0 {
			allowed[words[0]] = words[1:]
		}
	}
	packages := listPackages(t)
	for name, p := range packages {
		may, ok := allowed[name]
		if !ok {
			t.Errorf("package %s is not in the picture", name)
			continue
		}
		for _, path := range p.Imports {
			if path != module && !strings.HasPrefix(path, module+"/") {
				continue
			}
			if dep := short(path); dep != "." && !slices.Contains(may, dep) && !slices.Contains(may, "*") {
				t.Errorf("%s imports %s, which the picture does not allow", name, dep)
			}
		}
	}
	for name := range allowed {
		if _, ok := packages[name]; !ok {
			t.Errorf("the picture has a package %s, which is not there", name)
		}
	}
}

func TestImportersGetNothingTheyDidNotAskFor(t *testing.T) {
	packages := listPackages(t)
	for name, forbidden := range links {
		p, ok := packages[name]
		if !ok {
			t.Errorf("no package %s", name)
		}
		for _, dep := range forbidden {
			if slices.Contains(p.Deps, dep) {
				t.Errorf("importing %s links %s", name, dep)
			}
		}
	}
}
