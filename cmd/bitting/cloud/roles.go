package cloud

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation"
	"github.com/aws/aws-sdk-go-v2/service/cloudformation/types"
	"golang.org/x/sync/errgroup"
)

// Roles are the roles of a stack's functions, and the policies that they share.
type Roles struct {
	Looked int
	// Changed are the logical ids of those that are not as the stack's template says, with how: such
	// as "KeysRole is MODIFIED".
	Changed []string
}

// atOnce is how many of them are looked at at a time: CloudFormation throttles drift detection.
const atOnce = 4

// Roles asks CloudFormation whether somebody changed the stack's roles since it was deployed. Errors:
// ErrRegion, ErrNotFound, ErrRefused. See
// https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DetectStackResourceDrift.html
func (f Flags) Roles(ctx context.Context) (*Roles, error) {
	c, err := f.Config(ctx)
	if err != nil {
		return nil, err
	}

	about := "the roles of the stack " + f.Stack
	client := cloudformation.NewFromConfig(c)

	var ids []string
	pages := cloudformation.NewListStackResourcesPaginator(client,
		&cloudformation.ListStackResourcesInput{StackName: &f.Stack})

	for pages.HasMorePages() {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, explain(about, err)
		}

		for _, r := range page.StackResourceSummaries {
			switch aws.ToString(r.ResourceType) {
			case "AWS::IAM::Role", "AWS::IAM::ManagedPolicy":
				ids = append(ids, aws.ToString(r.LogicalResourceId))
			}
		}
	}

	states := make([]string, len(ids))

	looks, ctx := errgroup.WithContext(ctx)
	looks.SetLimit(atOnce)

	for i, id := range ids {
		looks.Go(func() error {
			found, err := client.DetectStackResourceDrift(ctx, &cloudformation.DetectStackResourceDriftInput{
				StackName:         &f.Stack,
				LogicalResourceId: &id,
			})
			if err != nil {
				return explain(about, err)
			}

			if status := found.StackResourceDrift.StackResourceDriftStatus; status !=
				types.StackResourceDriftStatusInSync {
				states[i] = fmt.Sprintf("%s is %s", id, status)
			}

			return nil
		})
	}

	if err := looks.Wait(); err != nil {
		return nil, err
	}

	states = slices.DeleteFunc(states, func(s string) bool { return s == "" })
	slices.SortFunc(states, strings.Compare)
	return &Roles{Looked: len(ids), Changed: states}, nil
}
