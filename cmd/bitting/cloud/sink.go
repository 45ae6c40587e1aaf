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

// Taking says which places that exist are taken for a secret.
type Taking int

// A new place is always taken.
const (
	OnlyNew  Taking = iota
	Reserved        // also what was reserved, and got no secret
	Any             // also what has a value, which is replaced
)

// placeholder is what a parameter has between its reservation and its secret, as value and as
// description, so that it is known without being read.
const placeholder = "reserved by bitting for a secret that is being made"

// described is the description of a parameter that was made here and has its secret.
const described = "secret of an API key, kept by bitting"

// Parameter is a SecureString of Systems Manager's Parameter Store.
type Parameter struct {
	client   *ssm.Client
	name     string
	taking   Taking
	reserved bool
}

// NewParameter returns the parameter with the name.
func NewParameter(c aws.Config, name string, taking Taking) *Parameter {
	return &Parameter{client: ssm.NewFromConfig(c), name: name, taking: taking}
}

// String returns what it is, in words.
func (p *Parameter) String() string { return "the SSM parameter " + p.name }

// Waits reports whether it was reserved and has no secret. It does not read the value. Errors:
// ErrExists where it has another value, ErrRefused.
func (p *Parameter) Waits(ctx context.Context) (bool, error) {
	found, err := p.client.DescribeParameters(ctx, &ssm.DescribeParametersInput{
		ParameterFilters: []ssmtypes.ParameterStringFilter{
			{Key: aws.String("Name"), Option: aws.String("Equals"), Values: []string{p.name}},
		},
	})
	if err != nil {
		return false, explain(p.String(), err)
	}

	if len(found.Parameters) == 0 {
		return false, nil
	}

	if aws.ToString(found.Parameters[0].Description) != placeholder {
		return false, fmt.Errorf("%s: %w", p, ErrExists)
	}

	return true, nil
}

// Reserve ensures, before there is a secret, that one can be kept: it makes the parameter. One that
// exists is left as it is. Errors: ErrExists, ErrRefused.
func (p *Parameter) Reserve(ctx context.Context) error {
	err := p.put(ctx, placeholder, placeholder)

	var exists *ssmtypes.ParameterAlreadyExists
	if errors.As(err, &exists) {
		p.reserved, err = taken(ctx, p, p.taking)
		return err
	}

	if err != nil {
		return explain(p.String(), err)
	}

	p.reserved = true
	return nil
}

// Keep writes the secret.
func (p *Parameter) Keep(ctx context.Context, secret string) error {
	description := ""
	if p.reserved {
		description = described
	}

	if err := p.put(ctx, secret, description); err != nil {
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

// put writes a value, over another one unless it is the placeholder. description "" leaves the one
// that there is.
func (p *Parameter) put(ctx context.Context, value, description string) error {
	in := &ssm.PutParameterInput{
		Name:      &p.name,
		Value:     &value,
		Type:      ssmtypes.ParameterTypeSecureString,
		Overwrite: aws.Bool(value != placeholder),
	}
	if description != "" {
		in.Description = &description
	}

	_, err := p.client.PutParameter(ctx, in)
	return err
}

// taken decides about a place that exists: whether it is a reservation, and an error unless it may be
// taken.
func taken(
	ctx context.Context,
	place interface {
		Waits(ctx context.Context) (bool, error)
		fmt.Stringer
	},
	taking Taking,
) (bool, error) {
	switch taking {
	case OnlyNew:
		return false, fmt.Errorf("%s: %w", place, ErrExists)
	case Any:
		return false, nil
	default:
		return place.Waits(ctx)
	}
}

// ManagedSecret is a secret of Secrets Manager.
type ManagedSecret struct {
	client   *secretsmanager.Client
	name     string
	taking   Taking
	reserved bool
}

// NewManagedSecret returns the secret with the name.
func NewManagedSecret(c aws.Config, name string, taking Taking) *ManagedSecret {
	return &ManagedSecret{
		client: secretsmanager.NewFromConfig(c),
		name:   name,
		taking: taking,
	}
}

// String returns what it is, in words.
func (m *ManagedSecret) String() string { return "the secret " + m.name + " of Secrets Manager" }

// Waits reports whether it was reserved and has no secret. It does not read the value. Errors:
// ErrExists where it has one, or is being deleted, ErrRefused.
func (m *ManagedSecret) Waits(ctx context.Context) (bool, error) {
	found, err := m.client.DescribeSecret(ctx, &secretsmanager.DescribeSecretInput{SecretId: &m.name})

	var missing *secretstypes.ResourceNotFoundException
	if errors.As(err, &missing) {
		return false, nil
	}

	if err != nil {
		return false, explain(m.String(), err)
	}

	if len(found.VersionIdsToStages) > 0 || found.DeletedDate != nil {
		return false, fmt.Errorf("%s: %w", m, ErrExists)
	}

	return true, nil
}

// Reserve ensures, before there is a secret, that one can be kept: it makes it, without a value. One
// that exists is left as it is. Errors: ErrExists, ErrRefused.
func (m *ManagedSecret) Reserve(ctx context.Context) error {
	_, err := m.client.CreateSecret(ctx, &secretsmanager.CreateSecretInput{Name: &m.name})

	var exists *secretstypes.ResourceExistsException
	if errors.As(err, &exists) {
		m.reserved, err = taken(ctx, m, m.taking)
		return err
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
