package awsjson

import (
	"context"
	"encoding/base64"
	"fmt"
	"maps"
	"slices"

	"github.com/bitting-keys/bitting/pkg/jsonstring"
)

// Decrypt decrypts by kms:Decrypt with the key that is named, under an encryption context.
// https://docs.aws.amazon.com/kms/latest/APIReference/API_Decrypt.html
func Decrypt(
	ctx context.Context, kms *Client, key string, wrapped []byte, context map[string]string,
) ([]byte, error) {
	body := []byte(`{"KeyId":`)
	body = jsonstring.Append(body, key)
	body = append(body, `,"CiphertextBlob":"`...)
	body = base64.StdEncoding.AppendEncode(body, wrapped)
	body = append(body, `","EncryptionContext":{`...)

	for i, name := range slices.Sorted(maps.Keys(context)) {
		if i > 0 {
			body = append(body, ',')
		}

		body = append(jsonstring.Append(body, name), ':')
		body = jsonstring.Append(body, context[name])
	}

	answer, err := kms.Call(ctx, "Decrypt", append(body, `}}`...))
	if err != nil {
		return nil, err
	}

	var plain string

	s := jsonstring.New(answer)
	if s.Object() {
		for s.Member() {
			if s.Name() == "Plaintext" {
				plain, _ = s.Text()
				continue
			}

			s.Skip()
		}
	}

	if err := s.End(); err != nil {
		return nil, fmt.Errorf("kms.Decrypt: %w", err)
	}

	out, err := base64.StdEncoding.DecodeString(plain)
	if err != nil || len(out) == 0 {
		return nil, fmt.Errorf("kms.Decrypt: no plaintext in the answer") // which is never repeated
	}

	return out, nil
}
