package template

import (
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// include returns the content of a local file that Fn::Transform includes. Its nodes have the line
// of the transform. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/create-reusable-transform-function-snippets-and-add-to-your-template-with-aws-include-transform.html
func (r *resolver) include(argument, at *yaml.Node) *yaml.Node {
	o := r.object(argument, "Fn::Transform")
	if o == nil {
		return nil
	}

	name := o.text("Name", "")
	parameters := o.object("Parameters")

	if name != "AWS::Include" || parameters == nil || r.folder == "" {
		r.fail(at, "transform %q is not understood", name)
		return nil
	}

	location := parameters.text("Location", "")

	if r.err != nil {
		return nil
	}

	if strings.Contains(location, "://") {
		r.fail(at, "%s is not included: give Location a file beside the template, which `sam "+
			"package` uploads", location)
		return nil
	}

	path := filepath.Join(r.folder, filepath.FromSlash(location))
	r.files = append(r.files, path)

	source, err := os.ReadFile(path) //nolint:gosec // a file that the caller's own template names
	if err != nil {
		r.fail(at, "%v", err)
		return nil
	}

	var document yaml.Node
	if err := yaml.Unmarshal(source, &document); err != nil || len(document.Content) == 0 {
		r.fail(at, "%s is not YAML: %v", location, err)
		return nil
	}

	setLines(&document, at.Line)
	return document.Content[0]
}

// included returns a mapping with what an Fn::Transform among its keys includes in place of that
// key.
func (r *resolver) included(n *yaml.Node) *yaml.Node {
	i := indexOf(n, "Fn::Transform")
	if i < 0 || r.err != nil {
		return n
	}

	more := r.include(n.Content[i], n.Content[i])
	if more == nil {
		return n
	}

	if more.Kind != yaml.MappingNode {
		r.fail(n.Content[i], "what is included among other keys must be a mapping")
		return n
	}

	out := *n
	out.Content = append(append([]*yaml.Node{}, n.Content[:i-1]...), n.Content[i+1:]...)
	out.Content = append(out.Content, more.Content...)
	return &out
}

func setLines(n *yaml.Node, line int) {
	n.Line = line
	for _, child := range n.Content {
		setLines(child, line)
	}
}
