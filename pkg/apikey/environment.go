package apikey

// Environment is where a key works. It is fixed when the key is made and never changes: it is part
// of the secret, the keyed hash, the row's partition key and the authorizer's role.
type Environment string

// The three environments.
const (
	Production  Environment = "production"
	Staging     Environment = "staging"
	Development Environment = "development"
)

// Environments returns all environments, production first.
func Environments() []Environment { return []Environment{Production, Staging, Development} }

// Valid reports whether e is one of the three environments.
func (e Environment) Valid() bool { return e.Short() != "" }

// Short returns the spelling inside a secret: prod, stg or dev; "" if e is not an environment.
func (e Environment) Short() string {
	switch e {
	case Production:
		return "prod"
	case Staging:
		return "stg"
	case Development:
		return "dev"
	default:
		return ""
	}
}

// fromShort is the inverse of Short; "" for an unknown spelling.
func fromShort(short string) Environment {
	switch short {
	case "prod":
		return Production
	case "stg":
		return Staging
	case "dev":
		return Development
	default:
		return ""
	}
}
