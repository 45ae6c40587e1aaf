package cloud

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	secretstypes "github.com/aws/aws-sdk-go-v2/service/secretsmanager/types"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// ErrExists means that something has the name, and must not be overwritten.
var ErrExists = errors.New("it exists")

// placeholder is what a parameter has between its reservation and its secret.
const placeholder = "reserved by bitting for a secret that is being made"

// Parameter is a SecureString of Systems Manager's Parameter Store.
type Parameter struct {
	client    *ssm.Client
	name      string
	overwrite bool
	reserved  bool
}

// NewParameter returns the parameter with the name. It replaces the value of an existing one only
// with overwrite.
func NewParameter(c aws.Config, name string, overwrite bool) *Parameter {
	return &Parameter{client: ssm.NewFromConfig(c), name: name, overwrite: overwrite}
}

// String returns what it is, in words.
func (p *Parameter) String() string { return "the SSM parameter " + p.name }

// Reserve ensures, before there is a secret, that one can be kept: it makes the parameter. One that
// exists is left as it is. Errors: ErrExists, ErrRefused.
func (p *Parameter) Reserve(ctx context.Context) error {
	err := p.put(ctx, placeholder, false)

	var exists *ssmtypes.ParameterAlreadyExists
	if errors.As(err, &exists) {
		if p.overwrite {
			return nil
		}

		return fmt.Errorf("%s: %w", p, ErrExists)
	}

	if err != nil {
		return explain(p.String(), err)
	}

	p.reserved = true
	return nil
}

// Keep writes the secret.
func (p *Parameter) Keep(ctx context.Context, secret string) error {
	if err := p.put(ctx, secret, true); err != nil {
		return explain(p.String(), err)
	}

	return nil
}

// Release takes the reservation back.
func (p *Parameter) Release(ctx context.Context) error {
	if !p.reserved {
		return nil
	}

	_, err := p.client.DeleteParameter(ctx, &ssm.DeleteParameterInput{Name: &p.name})
	if err != nil {
		return fmt.Errorf("it is left without a secret: %w", explain(p.String(), err))
	}

	return nil
}

func (p *Parameter) put(ctx context.Context, value string, overwrite bool) error {
	_, err := p.client.PutParameter(ctx, &ssm.PutParameterInput{
		Name:      &p.name,
		Value:     &value,
		Type:      ssmtypes.ParameterTypeSecureString,
		Overwrite: &overwrite,
	})
	return err
}

// ManagedSecret is a secret of Secrets Manager.
type ManagedSecret struct {
	client    *secretsmanager.Client
	name      string
	overwrite bool
	reserved  bool
}

// NewManagedSecret returns the secret with the name. An existing one gets another value only with
// overwrite.
func NewManagedSecret(c aws.Config, name string, overwrite bool) *ManagedSecret {
	return &ManagedSecret{
		client:    secretsmanager.NewFromConfig(c),
		name:      name,
		overwrite: overwrite,
	}
}

// String returns what it is, in words.
func (m *ManagedSecret) String() string { return "the secret " + m.name + " of Secrets Manager" }

// Reserve ensures, before there is a secret, that one can be kept: it makes it, without a value. One
// that exists is left as it is. Errors: ErrExists, ErrRefused.
func (m *ManagedSecret) Reserve(ctx context.Context) error {
	_, err := m.client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &m.name})

	var exists *secretstypes.ResourceExistsException
	if errors.As(err, &exists) {
		if m.overwrite {
			return nil
		}

		return fmt.Errorf("%s: %w", m, ErrExists)
	}

	if err != nil {
		return explain(m.String(), err)
	}

	m.reserved = true
	return nil
}

// Keep writes the secret.
func (m *ManagedSecret) Keep(ctx context.Context, secret string) error {
	_, err := m.client.PutSecretValue(ctx, &secretsmanager.PutSecretValueInput{
		SecretId:     &m.name,
		SecretString: &secret,
	})
	if err != nil {
		return explain(m.String(), err)
	}

	return nil
}

// Release takes the reservation back.
func (m *ManagedSecret) Release(ctx context.Context) error {
	if !m.reserved {
		return nil
	}

	_, err := m.client.DeleteSecret(ctx, &secretsmanager.DeleteSecretInput{
		SecretId:                   &m.name,
		ForceDeleteWithoutRecovery: aws.Bool(true),
	})
	if err != nil {
		return fmt.Errorf("it is left without a value: %w", explain(m.String(), err))
	}

	return nil
}
