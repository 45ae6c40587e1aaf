// Package cloud is what the command line does in an AWS account: it finds a deployment by its stack,
// and puts secrets where programs fetch them.
//
// It promises:
//
//   - Region and credentials are found as the AWS CLI finds them: flags, environment variables,
//     profiles, single sign-on.
//   - A secret is in no error.
//
// It does not deploy, and does not read the deployment's tables.
package cloud

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/smithy-go"
	"github.com/spf13/pflag"
)

// Flags say which stack is meant, and how AWS is reached.
type Flags struct {
	Stack   string // name of a deployment's stack; "" for none
	Region  string // "" as the AWS CLI finds it
	Profile string // of the AWS CLI; "" for its default
}

// Add adds the flags to those of a command.
func (f *Flags) Add(set *pflag.FlagSet) {
	set.StringVar(&f.Stack, "stack", "", "use the deployment of this CloudFormation stack (BITTING_STACK)")
	set.StringVar(&f.Region, "region", "", "AWS region (default: as the AWS CLI finds it)")
	set.StringVar(&f.Profile, "aws-profile", "", "profile of the AWS CLI (AWS_PROFILE)")
}

// What is wrong, for the exit code.
var (
	ErrNotFound = errors.New("not found")
	ErrRefused  = errors.New("refused by AWS")
	ErrRegion   = errors.New("which AWS region? Pass --region, or set AWS_REGION")
)

// Config returns the configuration of AWS's clients. Errors: ErrRegion.
func (f Flags) Config(ctx context.Context) (aws.Config, error) {
	var options []func(*config.LoadOptions) error
	if f.Region != "" {
		options = append(options, config.WithRegion(f.Region))
	}

	if f.Profile != "" {
		options = append(options, config.WithSharedConfigProfile(f.Profile))
	}

	c, err := config.LoadDefaultConfig(ctx, options...)
	if err != nil {
		return c, fmt.Errorf("the configuration of AWS: %w", err)
	}

	if c.Region == "" {
		return c, ErrRegion
	}

	return c, nil
}

// Credentials returns the credentials that the configuration finds. Errors: ErrRefused.
func Credentials(ctx context.Context, c aws.Config) (aws.Credentials, error) {
	found, err := c.Credentials.Retrieve(ctx)
	if err != nil {
		return found, fmt.Errorf("%w: no AWS credentials: run aws sso login or aws configure, or pass "+
			"--aws-profile (%w)", ErrRefused, err)
	}

	return found, nil
}

// explain returns an error of AWS, about an object of the account, in words.
func explain(about string, err error) error {
	var answered smithy.APIError
	if !errors.As(err, &answered) {
		return fmt.Errorf("%s: %w", about, err)
	}

	switch code := answered.ErrorCode(); {
	case strings.Contains(code, "NotFound"):
		return fmt.Errorf("%s: %w: %s", about, ErrNotFound, answered.ErrorMessage())
	default:
		return fmt.Errorf("%s: %w: %s: %s", about, ErrRefused, code, answered.ErrorMessage())
	}
}

// Stack is a deployment, as CloudFormation describes it.
type Stack struct {
	Name       string
	Status     string // such as UPDATE_COMPLETE
	Outputs    map[string]string
	Parameters map[string]string
}

// The outputs of template.yaml that are read here.
const (
	AdminURL   = "AdminUrl"
	CoreTable  = "CoreTable"
	HotTable   = "HotTable"
	PepperKey  = "PepperKeyArn"
	OIDCIssuer = "OidcIssuer"
	OIDCClient = "OidcClientId"
)

// Describe reads the stack. Errors: ErrRegion, ErrNotFound, ErrRefused.
func (f Flags) Describe(ctx context.Context) (*Stack, error) {
	c, err := f.Config(ctx)
	if err != nil {
		return nil, err
	}

	if _, err := Credentials(ctx, c); err != nil {
		return nil, err
	}

	about := fmt.Sprintf("the stack %s in %s", f.Stack, c.Region)

	answer, err := cloudformation.NewFromConfig(c).DescribeStacks(ctx,
		&cloudformation.DescribeStacksInput{StackName: &f.Stack})

	var answered smithy.APIError
	if errors.As(err, &answered) && answered.ErrorCode() == "ValidationError" &&
		strings.Contains(answered.ErrorMessage(), "does not exist") {
		return nil, fmt.Errorf("%s: %w; is it another region or account?", about, ErrNotFound)
	}

	if err != nil {
		return nil, explain(about, err)
	}

	if len(answer.Stacks) != 1 {
		return nil, fmt.Errorf("%s: %w", about, ErrNotFound)
	}

	found := answer.Stacks[0]
	s := &Stack{
		Name:       f.Stack,
		Status:     string(found.StackStatus),
		Outputs:    map[string]string{},
		Parameters: map[string]string{},
	}

	for _, o := range found.Outputs {
		s.Outputs[aws.ToString(o.OutputKey)] = aws.ToString(o.OutputValue)
	}

	for _, p := range found.Parameters {
		s.Parameters[aws.ToString(p.ParameterKey)] = aws.ToString(p.ParameterValue)
	}

	if s.Outputs[AdminURL] == "" {
		return nil, fmt.Errorf("%s is none of Bitting's: it has no output %s (its status is %s): %w",
			about, AdminURL, s.Status, ErrNotFound)
	}

	return s, nil
}
