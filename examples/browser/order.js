// Places an order from a page. The key is in the page's source: it must be able to do nothing else.
export async function place(url, key, order, attempts = 3) {
  const answer = await fetch(`${url}/orders`, {
    method: "POST",
    headers: { "Content-Type": "application/json", "X-Api-Key": key },
    body: JSON.stringify(order),
  });
  if (answer.ok) return answer.json();

  // Over the key's limit, which all visitors share: the answer says when there is room again.
  if (answer.status === 429 && attempts > 1) {
    const seconds = Number(answer.headers.get("Retry-After"));
    await new Promise((resolve) => setTimeout(resolve, seconds * 1000 * (1 + Math.random())));
    return place(url, key, order, attempts - 1);
  }
  throw new Error(`the order was refused: ${answer.status} ${await answer.text()}`);
}
