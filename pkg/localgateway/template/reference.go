package template

import (
	"strings"

	"go.yaml.in/yaml/v3"
)

// ref returns the value of Ref for a parameter, pseudo parameter or resource; nil for
// AWS::NoValue.
func (r *resolver) ref(name string, at *yaml.Node) *yaml.Node {
	if r.err != nil || name == "AWS::NoValue" {
		return nil
	}

	stack := "local"
	if r.whole {
		stack = "bitting" // the name that other stacks know by default
	}

	switch name {
	case "AWS::StackName":
		return text(stack, at)
	case "AWS::StackId":
		return text(arn("cloudformation", "stack/"+stack+"/local"), at)
	}

	if value, ok := pseudoParameters[name]; ok {
		return text(value, at)
	}

	if value, ok := r.parameters[name]; ok {
		used := *value
		used.Line = at.Line
		return &used
	}

	if r.unset[name] != nil {
		r.fail(at, "parameter %s has no value here: give it one by --parameter %s=VALUE", name, name)
		return nil
	}

	res, ok := r.existing(name, at)
	if !ok {
		return nil
	}

	switch res.kind {
	case typeTable:
		return text(r.tableName(name), at)
	case typeRESTAPI, typeHTTPAPI, typeRawREST, typeRawHTTP:
		return text(gatewayID(name), at)
	case typeStage:
		if res.api == "" { // a resource of the template's own
			res.api = name
		}

		return text(r.properties(res.api).text("StageName", ""), at)
	case typeAlias: // of whichever version: here a function has one
		return text(functionARN(functionOf(r.properties(name).text("FunctionName", name))), at)
	default:
		return text(name, at)
	}
}

// attribute returns the value of GetAtt.
func (r *resolver) attribute(id, attribute string, at *yaml.Node) string {
	res, ok := r.existing(id, at)
	if !ok {
		return ""
	}

	switch {
	case res.kind == typeFunction && attribute == "Arn":
		return functionARN(id)
	case res.kind == typeTable && attribute == "Arn":
		return arn("dynamodb", "table/"+r.tableName(id))
	case res.kind == typeTable && attribute == "StreamArn":
		return arn("dynamodb", "table/"+r.tableName(id)+"/stream/local")
	case res.kind == "AWS::KMS::Key" && attribute == "Arn":
		return arn("kms", "key/"+id)
	case res.kind == "AWS::Logs::LogGroup" && attribute == "Arn":
		return arn("logs", "log-group:"+id+":*")
	case res.kind == typeLambda && attribute == "Arn":
		return functionARN(id)
	case strings.HasSuffix(attribute, "Arn"):
		return arn(strings.ToLower(strings.Split(res.kind, "::")[1]), id)
	default:
		return id + "." + attribute
	}
}

// existing finds a resource by reference. SAM adds resources of its own (roles, stages) whose ids
// begin with the id of the one they serve; those are accepted as names. A resource that a
// condition leaves out cannot be referred to.
func (r *resolver) existing(id string, at *yaml.Node) (resource, bool) {
	res, ok := r.resources[id]
	if ok && res.leftOut != "" {
		r.fail(at, "%s is left out by condition %s, so nothing can refer to it", id, res.leftOut)
		return resource{}, false
	}

	if ok {
		return res, true
	}

	for known, res := range r.resources {
		switch {
		case !strings.HasPrefix(res.kind, "AWS::Serverless::") || !strings.HasPrefix(id, known):
		case res.kind == typeRESTAPI && strings.HasSuffix(id, "Stage"):
			return resource{kind: typeStage, api: known}, true
		default:
			return resource{kind: "AWS::Sam::" + id}, true
		}
	}

	r.fail(at, "there is no parameter or resource %q", id)
	return resource{}, false
}

func (r *resolver) tableName(id string) string {
	if p := r.properties(id); p != nil {
		return p.text("TableName", id)
	}

	return id
}

// gatewayID returns an id that looks like an API's on AWS: lower-case letters and digits.
func gatewayID(id string) string { return strings.ToLower(id) }

func arn(service, rest string) string {
	return "arn:aws:" + service + ":" + region + ":" + account + ":" + rest
}

func functionARN(id string) string { return arn("lambda", "function:"+id) }

// functionOf returns the logical id in a function's ARN or name.
func functionOf(arn string) string {
	return arn[strings.LastIndex(arn, ":")+1:]
}
