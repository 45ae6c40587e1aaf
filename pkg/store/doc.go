// Package store is the table core: keys, people, history, jobs, receipts and peppers. The table hot
// has a room of its own, pkg/store/hot.
//
// It promises that a key is read by one strongly consistent GetItem; that a sealed row whose seal
// doesn't fit is refused and never obeyed; that every write carries a condition; that a change, its
// history entry and its idempotency receipt are written in one transaction, all or none; that no
// item is larger than DynamoDB takes; and that no request scans (Peppers.Uses is for an operator's
// command, PassPeppers for upkeep). What it cannot answer is ErrUnavailable. It does not decide who
// may do what.
//
// Peppers are the rows that are read before anything can be unsealed. Store has all others.
//
// The items of the table core, each with the calls that use it:
//
//	pk                            sk             is                     read by                         written by
//	<environment>#<keyId>         key            a key, sealed          Key: GetItem, strong            Commit(PutKey): whole row, on its version
//	                                                                    FindKey: BatchGetItem of 3        SweepExpired: where lists find it
//	                                                                    Keys: indexes, then BatchGetItem
//	                                                                    TakenKeys: BatchGetItem
//	                              claims         who is in line for its secret, sealed  Claims: GetItem, strong  Commit(Claim): on its version
//	pepper#<environment>          ring           wrapped peppers        Peppers: GetItem, strong        AddPepper: one attribute per version
//	                                                                                                    Peppers.Retire: while a newer one is there
//	upkeep                        peppers        how far its pass is    Peppers.Pass: GetItem, strong    PassPeppers: on its version
//	catalogue                     catalogue      the permissions, sealed  Catalogue: GetItem              Commit(PutCatalogue): on its version
//	organization#<org>            organization   an organization, sealed  Organization: GetItem, strong   Commit(PutOrganization): on its version
//	<environment>#organization#<org> settings    runtime settings, sealed RuntimeSettings: GetItem, strong     Commit(PutRuntimeSettings): whole rows, on an older version
//	<environment>#imports         imports        that keys were imported, sealed  Imports: GetItem, strong  EnsureImports: on its version
//	organization#<org>            member#<email> a member, sealed       Member: GetItem, strong         Commit(PutMember, RemoveMember): on its version
//	                                                                    Members: Query, strong
//	organization#<org>            customer#<id>  a customer, sealed     Customer: GetItem, strong       Commit(PutCustomer, RemoveCustomer): on its version
//	                                                                    Customers: Query, strong
//	customerKeys#<org>#<id>       <env>#<keyId>  a customer's key       Keys: indexes                   Commit(PutKey, LeaveCustomers): with the row
//	                                                                    KeysOfCustomer: Query, strong
//	organization#_operators       bootstrap      that it was done       -                               Commit(Bootstrapped): new only
//	history#<org>#<type>#<id>     <at>#<entry>   a history entry        History: Query, strong          Commit(Append): new only
//	                                                                    OrganizationHistory: index, then BatchGetItem
//	history#<org>#part#<entry>    <number>       changes of a long entry History: BatchGetItem          Commit(Append): new only
//	jobs#<org>                    <job>          a job, sealed          Job: GetItem, strong            Commit(PutJob): on its version
//	                                                                    Jobs: Query, strong
//	                                                                    OpenJobs: index
//	jobPlaces#<org>               <name>#<n>     that an open job has it - FreePlace: Query, strong    Commit(PutJob): new only; with the job's end
//	ownKeys#<org>#<owner>         <env>#<keyId>  of a personal key      OwnKeys: Query, strong,         Commit(OwnKey): new only
//	                                                                    then BatchGetItem
//	once#<receipt>                once           a receipt, sealed      Receipt: GetItem, strong        Commit(Keep): new, or after its end
//
// The indexes serve lists only, and project what lists filter by and never a hash. byOrganization
// has in listPk the list, which is of keys, history#<org>, person#<email>, organizations or jobs,
// and in listSk what it is ordered by. The others are of keys alone: index.go. byExpiry is the
// sweep's.
package store
