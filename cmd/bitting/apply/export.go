package apply

import (
	"bytes"
	"encoding/json"
	"fmt"

	"go.yaml.in/yaml/v3"

	"github.com/bitting-keys/bitting/pkg/api"
)

// SchemaFile is how an exported file calls its schema.
const SchemaFile = "bitting.schema.json"

// Export returns the file of what exists, as YAML, and how many personal keys it leaves out. It has no
// secrets.
func Export(s State) (text []byte, personalKeys int, err error) {
	file, personalKeys, err := fileOf(s)
	if err != nil {
		return nil, 0, err
	}

	encoded, err := json.Marshal(file)
	if err != nil {
		return nil, 0, err
	}

	// JSON is YAML in another style, with the fields in the types' order
	var document yaml.Node
	if err := yaml.Unmarshal(encoded, &document); err != nil {
		return nil, 0, err
	}

	restyle(&document)

	var out bytes.Buffer
	fmt.Fprintf(&out, "# yaml-language-server: $schema=%s\n", SchemaFile)

	encoder := yaml.NewEncoder(&out)
	encoder.SetIndent(2)

	if err := encoder.Encode(&document); err != nil {
		return nil, 0, err
	}

	return out.Bytes(), personalKeys, encoder.Close()
}

// restyle writes a node as people do: a field a line, short lists of texts in one.
func restyle(n *yaml.Node) {
	n.Style = 0
	if n.Kind == yaml.SequenceNode {
		n.Style = yaml.FlowStyle
		for _, item := range n.Content {
			if item.Kind != yaml.ScalarNode {
				n.Style = 0
			}
		}
	}

	for _, item := range n.Content {
		restyle(item)
	}

	// routes and limits stand in a line each
	if n.Kind == yaml.MappingNode && len(n.Content) > 0 && n.Content[0].Value != "name" &&
		len(n.Content) <= 6 && scalars(n) && n.Content[0].Value == "api" {
		n.Style = yaml.FlowStyle
	}
}

func scalars(n *yaml.Node) bool {
	for _, item := range n.Content {
		if item.Kind != yaml.ScalarNode {
			return false
		}
	}

	return true
}

func fileOf(s State) (f File, personalKeys int, err error) {
	f = File{
		Organization: Organization{ID: s.Organization.ID},
		Permissions:  []Permission{},
		Customers:    []Customer{},
		Members:      []Member{},
		Keys:         []Key{},
	}
	if f.Organization.UpdateOrganization, err = recast[api.UpdateOrganization](s.Organization); err != nil {
		return f, 0, err
	}

	for _, p := range s.Permissions {
		if p.BuiltIn {
			continue
		}

		one, err := recast[Permission](p)
		if err != nil {
			return f, 0, err
		}

		f.Permissions = append(f.Permissions, one)
	}

	for _, c := range s.Customers {
		one, err := recast[Customer](c)
		if err != nil {
			return f, 0, err
		}

		f.Customers = append(f.Customers, one)
	}

	for _, m := range s.Members {
		one, err := recast[Member](m)
		if err != nil {
			return f, 0, err
		}

		f.Members = append(f.Members, one)
	}

	named := map[[2]string]int{}
	for _, k := range s.Keys {
		if k.Ownership != personal {
			named[[2]string{k.Environment, k.Name}]++
		}
	}

	for _, k := range s.Keys {
		if k.Ownership == personal {
			personalKeys++
			continue
		}

		one, err := recast[Key](k)
		if err != nil {
			return f, 0, err
		}

		if named[[2]string{k.Environment, k.Name}] == 1 {
			one.ID = ""
		}

		if revoked := true; k.Revocation != nil {
			one.Revoked = &revoked
		}

		f.Keys = append(f.Keys, one)
	}

	return f, personalKeys, nil
}

// recast returns the fields of an object that T has.
func recast[T any](object any) (out T, err error) {
	text, err := json.Marshal(object)
	if err == nil {
		err = json.Unmarshal(text, &out)
	}

	return out, err
}
