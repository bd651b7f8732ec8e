package postrider_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// goFolders returns the folders of this module that hold Go files other than tests.
func goFolders(t *testing.T) []string {
	t.Helper()
	var folders []string
	err := filepath.WalkDir(".", func(path string, d fs.DirEntry, err error) error {
		switch {
		case err != nil:
			return err
		case d.IsDir() && (d.Name() == "testdata" || len(path) > 1 && strings.HasPrefix(d.Name(), ".")):
			return filepath.SkipDir
		case d.IsDir():
			if files, _ := filepath.Glob(filepath.Join(path, "*.go")); len(files) > 0 {
				folders = append(folders, path)
			}
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return folders
}

func TestEveryPackageHasItsManualPage(t *testing.T) {
	for _, folder := range goFolders(t) {
		name := filepath.Join(folder, "doc.go")
		if strings.HasPrefix(folder, "examples") {
			name = filepath.Join(folder, "main.go")
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ParseComments|parser.PackageClauseOnly)
		if err != nil {
			t.Errorf("%s: %v", folder, err)
		} else if file.Doc == nil {
			t.Errorf("%s has no package comment", name)
		}
	}
}

func TestEveryExportedNameIsDocumented(t *testing.T) {
	for _, folder := range goFolders(t) {
		entries, err := os.ReadDir(folder)
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range entries {
			if strings.HasSuffix(e.Name(), ".go") && !strings.HasSuffix(e.Name(), "_test.go") {
				checkDocs(t, filepath.Join(folder, e.Name()))
			}
		}
	}
}

func checkDocs(t *testing.T, name string) {
	fset := token.NewFileSet()
	file, err := parser.ParseFile(fset, name, nil, parser.ParseComments)
	if err != nil {
		t.Error(err)
		return
	}
	missing := func(pos token.Pos, what string) { t.Errorf("%s: %s has no comment", fset.Position(pos), what) }
	for _, decl := range file.Decls {
		switch d := decl.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) {
				missing(d.Pos(), d.Name.Name)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				checkSpec(d, spec, missing)
			}
		}
	}
}

// exportedReceiver reports whether d is a function or a method of an exported type.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	exported := false
	ast.Inspect(d.Recv.List[0].Type, func(n ast.Node) bool {
		if id, ok := n.(*ast.Ident); ok {
			exported = exported || id.IsExported()
			return false
		}
		return true
	})
	return exported
}

// checkSpec wants a comment on each exported type, field, interface method, constant and variable;
// one above a group of constants or variables, or of fields that share a comment, is enough.
func checkSpec(d *ast.GenDecl, spec ast.Spec, missing func(token.Pos, string)) {
	switch s := spec.(type) {
	case *ast.ValueSpec:
		for _, name := range s.Names {
			if name.IsExported() && s.Doc == nil && s.Comment == nil && d.Doc == nil {
				missing(name.Pos(), name.Name)
			}
		}
	case *ast.TypeSpec:
		if !s.Name.IsExported() {
			return
		}
		if s.Doc == nil && d.Doc == nil {
			missing(s.Pos(), s.Name.Name)
		}
		// The comment on a type with one method is that method's contract.
		if i, ok := s.Type.(*ast.InterfaceType); ok && len(i.Methods.List) > 1 {
			checkMethods(s.Name.Name, i.Methods, missing)
		}
	}
}

// checkMethods wants a contract on every method of an exported interface. A method right below
// one with a comment may share it.
func checkMethods(name string, methods *ast.FieldList, missing func(token.Pos, string)) {
	documented := false
	end := token.NoPos
	for _, m := range methods.List {
		if len(m.Names) == 0 {
			continue // embedded
		}
		adjacent := end.IsValid() && m.Pos()-end < 4
		documented = m.Doc != nil || m.Comment != nil || documented && adjacent
		if !documented {
			missing(m.Pos(), name+"."+m.Names[0].Name)
		}
		end = m.End()
	}
}
