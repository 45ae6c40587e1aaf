// Package awskms wraps peppers by AWS KMS, for those who make peppers. Who only unwraps them calls
// KMS by package awsjson.
package awskms

import (
	"context"

	"github.com/aws/aws-sdk-go-v2/service/kms"
	"github.com/aws/aws-sdk-go-v2/service/kms/types"

	"github.com/bitting-keys/bitting/pkg/pepper"
)

// Client is the part of *kms.Client that is used.
type Client interface {
	GenerateDataKey(
		ctx context.Context, in *kms.GenerateDataKeyInput, opts ...func(*kms.Options),
	) (*kms.GenerateDataKeyOutput, error)
	Decrypt(
		ctx context.Context, in *kms.DecryptInput, opts ...func(*kms.Options),
	) (*kms.DecryptOutput, error)
}

// KMS wraps peppers by a symmetric KMS key.
type KMS struct {
	client Client
	keyID  string
}

// New returns a provider on the KMS key with this id or ARN.
func New(client Client, keyID string) *KMS { return &KMS{client: client, keyID: keyID} }

// Generate implements pepper.Provider by kms:GenerateDataKey.
func (k *KMS) Generate(ctx context.Context, scope pepper.Scope) (plain, wrapped []byte, err error) {
	out, err := k.client.GenerateDataKey(ctx, &kms.GenerateDataKeyInput{
		KeyId:             &k.keyID,
		KeySpec:           types.DataKeySpecAes256,
		EncryptionContext: scope.EncryptionContext(),
	})
	if err != nil {
		return nil, nil, err
	}

	return out.Plaintext, out.CiphertextBlob, nil
}

// Unwrap implements pepper.Provider by kms:Decrypt. The key is named, so that a data key wrapped by
// another KMS key is refused.
func (k *KMS) Unwrap(ctx context.Context, scope pepper.Scope, wrapped []byte) ([]byte, error) {
	out, err := k.client.Decrypt(ctx, &kms.DecryptInput{
		KeyId:             &k.keyID,
		CiphertextBlob:    wrapped,
		EncryptionContext: scope.EncryptionContext(),
	})
	if err != nil {
		return nil, err
	}

	return out.Plaintext, nil
}
