package localiam

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strings"

	"github.com/bitting-keys/bitting/pkg/localgateway/template"
)

const (
	// tableARN begins the ARNs that package template gives tables.
	tableARN = "arn:aws:dynamodb:us-east-1:123456789012:table/"
	// leadingKeys is the condition key with the partition keys that a call of DynamoDB names. See
	// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/specifying-conditions.html
	leadingKeys = "dynamodb:LeadingKeys"
)

// table has the name of the partition key of a table, and those of its indexes by their names.
type table struct {
	key         string
	indexes     map[string]string
	encryptedBy string // ARN of its KMS key
}

func readTable(t template.Table) (table, error) {
	var schema struct {
		KeySchema              []keyElement
		GlobalSecondaryIndexes []struct {
			IndexName string
			KeySchema []keyElement
		}
		SSESpecification struct {
			KMSMasterKeyID string `json:"KMSMasterKeyId"`
		}
	}

	text, err := json.Marshal(t.Properties)
	if err == nil {
		err = json.Unmarshal(text, &schema)
	}

	if err != nil {
		return table{}, fmt.Errorf("table %s: %w", t.ID, err)
	}

	out := table{
		key:         partitionKey(schema.KeySchema),
		indexes:     map[string]string{},
		encryptedBy: schema.SSESpecification.KMSMasterKeyID,
	}
	for _, index := range schema.GlobalSecondaryIndexes {
		out.indexes[index.IndexName] = partitionKey(index.KeySchema)
	}

	return out, nil
}

type keyElement struct{ AttributeName, KeyType string }

func partitionKey(schema []keyElement) string {
	for _, e := range schema {
		if e.KeyType == "HASH" {
			return e.AttributeName
		}
	}

	return ""
}

// item is an item or a key, as DynamoDB's JSON has it.
type item map[string]struct{ S *string }

// part is one part of a transaction.
type part struct {
	TableName string
	Key, Item item
}

// call is the part of a call's body that IAM looks at.
type call struct {
	TableName                 string
	IndexName                 string
	Key, Item                 item
	KeyConditionExpression    string
	ExpressionAttributeNames  map[string]string
	ExpressionAttributeValues item
	RequestItems              map[string]struct{ Keys []item } // of BatchGetItem, by table
	TransactItems             []map[string]part                // by Put, Update, Delete or ConditionCheck
	KeyID                     string                           `json:"KeyId"`
	EncryptionContext         map[string]string
}

// requests returns what IAM decides for a call, given its X-Amz-Target and its body. A call that it
// does not know is an error.
func (r *Roles) requests(target string, body []byte) ([]Request, error) {
	var c call
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, fmt.Errorf("body of %s: %w", target, err)
	}

	_, operation, _ := strings.Cut(target, ".")
	switch {
	case strings.HasPrefix(target, "TrentService."):
		return kmsRequests(operation, c), nil
	case !strings.HasPrefix(target, "DynamoDB_20120810."):
		return nil, fmt.Errorf("%q is no operation of DynamoDB or KMS", target)
	}

	switch operation {
	case "GetItem", "UpdateItem", "DeleteItem":
		return r.onItems(operation, c.TableName, c.Key)
	case "PutItem":
		return r.onItems(operation, c.TableName, c.Item)
	case "Query":
		return r.query(c)
	case "Scan":
		return r.scan(c)
	case "BatchGetItem":
		return r.batchGet(c.RequestItems)
	case "TransactWriteItems":
		return r.transaction(c.TransactItems)
	}

	return nil, fmt.Errorf("%s is not known", operation)
}

func kmsRequests(operation string, c call) []Request {
	context := map[string][]string{}
	for name, value := range c.EncryptionContext {
		context["kms:EncryptionContext:"+name] = []string{value}
	}

	return []Request{{Action: "kms:" + operation, Resource: c.KeyID, Context: context}}
}

// onItems returns the request of one action on items of one table.
func (r *Roles) onItems(action, name string, items ...item) ([]Request, error) {
	t, ok := r.tables[name]
	if !ok {
		return nil, fmt.Errorf("there is no table %q", name)
	}

	keys := make([]string, len(items))
	for i, item := range items {
		key := item[t.key].S
		if key == nil {
			return nil, fmt.Errorf("%s on %s names no %s", action, name, t.key)
		}

		keys[i] = *key
	}

	return []Request{{
		Action:   "dynamodb:" + action,
		Resource: tableARN + name,
		Context:  map[string][]string{leadingKeys: keys},
	}}, nil
}

// keyCondition finds the condition on the partition key, which must be an equality.
var keyCondition = regexp.MustCompile(`([#\w]+)\s*=\s*(:\w+)`)

func (r *Roles) query(c call) ([]Request, error) {
	t, ok := r.tables[c.TableName]
	if !ok {
		return nil, fmt.Errorf("there is no table %q", c.TableName)
	}

	key, resource := t.key, tableARN+c.TableName
	if c.IndexName != "" {
		key, resource = t.indexes[c.IndexName], resource+"/index/"+c.IndexName
	}

	for _, match := range keyCondition.FindAllStringSubmatch(c.KeyConditionExpression, -1) {
		name := match[1]
		if alias, ok := c.ExpressionAttributeNames[name]; ok {
			name = alias
		}

		if value := c.ExpressionAttributeValues[match[2]].S; name == key && value != nil {
			return []Request{{
				Action:   "dynamodb:Query",
				Resource: resource,
				Context:  map[string][]string{leadingKeys: {*value}},
			}}, nil
		}
	}

	return nil, fmt.Errorf("the query %q names no %s", c.KeyConditionExpression, key)
}

// batchGet returns a request for each table that a batch reads.
func (r *Roles) batchGet(reads map[string]struct{ Keys []item }) ([]Request, error) {
	var all []Request
	for name, read := range reads {
		requests, err := r.onItems("BatchGetItem", name, read.Keys...)
		if err != nil {
			return nil, err
		}

		all = append(all, requests...)
	}

	return all, nil
}

// scan returns the request of reading all of a table. It names no partition key.
func (r *Roles) scan(c call) ([]Request, error) {
	if _, ok := r.tables[c.TableName]; !ok || c.IndexName != "" {
		return nil, fmt.Errorf("there is no table %q, or it is its index %q", c.TableName, c.IndexName)
	}

	return []Request{{Action: "dynamodb:Scan", Resource: tableARN + c.TableName}}, nil
}

// actions of the parts of a transaction. There is no action for a transaction itself. See
// https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis-iam.html
var actions = map[string]string{
	"Put":            "PutItem",
	"Update":         "UpdateItem",
	"Delete":         "DeleteItem",
	"ConditionCheck": "ConditionCheckItem",
}

// transaction returns a request for each action on each table, with the partition keys of all of
// its parts: the strictest reading, since AWS does not say whether it asks for each part alone.
func (r *Roles) transaction(parts []map[string]part) ([]Request, error) {
	type on struct{ action, table string }
	items := map[on][]item{}

	for _, kinds := range parts {
		for kind, p := range kinds {
			action, ok := actions[kind]
			if !ok {
				return nil, fmt.Errorf("%s is not known in a transaction", kind)
			}

			key := p.Key
			if key == nil {
				key = p.Item
			}

			on := on{action, p.TableName}
			items[on] = append(items[on], key)
		}
	}

	var all []Request
	for on, items := range items {
		requests, err := r.onItems(on.action, on.table, items...)
		if err != nil {
			return nil, err
		}

		all = append(all, requests...)
	}

	return all, nil
}
